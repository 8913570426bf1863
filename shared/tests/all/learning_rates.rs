//! Learning rates against those of the published programs.

use crate::golden::golden;
use shared::schedule::{Clock, LearningRate, LrPolicy, Span};

#[test]
fn every_epoch_agrees() {
    let golden = &golden("str.json")["lr_schedules"];
    assert_eq!(golden.as_object().unwrap().len(), 5);
    let plain = LearningRate::two_drops(0.1, 100, 1);
    for (name, rate) in [
        (
            "seed_cosine_lr lr0.1 warmup5 epochs100",
            LearningRate { policy: LrPolicy::Cosine, warmup: Span::epochs(5), ..plain.clone() },
        ),
        ("seed_constant_lr lr0.1 warmup5", LearningRate { policy: LrPolicy::Constant, warmup: Span::epochs(5), ..plain.clone() }),
        (
            "seed_efficientnet_lr lr0.1 warmup5",
            LearningRate { policy: LrPolicy::EfficientNet, warmup: Span::epochs(5), ..plain.clone() },
        ),
        (
            "new_cosine_lr lr0.1 lr_min0.01 total150",
            LearningRate { policy: LrPolicy::Cosine, floor: 0.01, epochs: 150, ..plain.clone() },
        ),
        ("new_multistep_lr lr0.1", LearningRate { policy: LrPolicy::Step, every: Span::epochs(3), ..plain.clone() }),
        (
            "new_multistep_lr lr0.1",
            LearningRate { policy: LrPolicy::MultiStep, milestones: [3, 6, 9].map(Span::epochs).to_vec(), ..plain.clone() },
        ),
    ] {
        let expected = golden[name].as_array().unwrap();
        assert!(expected.len() >= 10);
        for (epoch, lr) in (0..).zip(expected) {
            let (got, lr) = (rate.at(Clock::at_epoch(epoch, 7)), lr.as_f64().unwrap());
            // Absolute: 1 + cos loses digits where the cosine ends.
            assert!((got - lr).abs() < 1e-15, "{name}, epoch {epoch}: {got}, expected {lr}");
        }
    }
}
