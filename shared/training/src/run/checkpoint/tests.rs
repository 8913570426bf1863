use er_networks::schedule::Clock;

use super::*;
use crate::run::progress::{Best, Sums};
use er_engine::{DenseState, LayerState};
use er_graphs::graph::LayerShape;
use er_networks::model::{DefaultInit, Image, Op};

fn spec(name: &str, width: usize) -> ModelSpec {
    let mut spec = ModelSpec::new(name, Image::new(1, 2, 2), DefaultInit::FanInUniform);
    let a = spec.push("fc1", Op::Linear { shape: LayerShape::linear(width, 4), bias: true }, &[0]).unwrap();
    let b = spec.push("bn1", Op::BatchNorm { affine: true }, &[a]).unwrap();
    spec.push("fc2", Op::Linear { shape: LayerShape::linear(2, width), bias: false }, &[b]).unwrap();
    spec
}

fn state(spec: &ModelSpec, slots: usize) -> ModelState {
    let mut next = 0.0_f32;
    let mut values = |n: usize| -> Vec<f32> {
        (0..n)
            .map(|_| {
                next += 0.1;
                next
            })
            .collect()
    };
    let layers = spec.layers().iter().map(|l| {
        let mask = Mask::from_positions(l.shape, (0..l.shape.weights()).step_by(3));
        let n = mask.edges();
        LayerState { mask, weights: values(n), slots: (0..slots).map(|_| values(n)).collect() }
    });
    let layers = layers.collect();
    let dense = spec.dense_parameters().map(|p| DenseState {
        name: p.name.clone(),
        values: values(p.len()),
        slots: if p.kind.trained() { (0..slots).map(|_| values(p.len())).collect() } else { Vec::new() },
    });
    ModelState { layers, dense: dense.collect(), steps: 7 }
}

/// A file as earlier versions, which had no digest, would have written it.
fn without_digest(path: &Path) -> Vec<u8> {
    let mut whole = std::fs::read(path).unwrap();
    let at = whole.windows(9).position(|w| w == b"\"digest\":").unwrap();
    whole[at + 1] = b'_';
    whole
}

#[test]
fn every_flipped_bit_is_found() {
    let spec = spec("net", 5);
    let (_keep, path) = written(&spec, &state(&spec, 1));
    let whole = std::fs::read(&path).unwrap();
    let key = whole.windows(8).position(|w| w == b"\"digest\"").unwrap();
    let (good, masks) = (Checkpoint::read(&path, &spec).unwrap(), read_masks(&path, &spec).unwrap());
    for bit in (0..8 * whole.len()).step_by(3) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read = Reader::open("checkpoint", &path, &flipped).and_then(Reader::verified);
        // A file whose digest has another name is one without, and whole.
        if (key..key + 8).contains(&(bit / 8)) {
            assert!(read.and_then(|reader| reader.checkpoint(&spec)).map_or(true, |c| c == good), "bit {bit}");
            continue;
        }
        assert!(read.is_err(), "bit {bit}");
        if bit % 61 == 0 {
            std::fs::write(&path, &flipped).unwrap();
            assert!(read_masks(&path, &spec).is_err() && MaskFile::read(&path).is_err(), "bit {bit}");
        }
    }
    let masks_alone: Vec<&Mask> = masks.iter().collect();
    write_masks(&path, &spec, &Origin::new("test", &spec, "abc"), &progress(), &masks_alone).unwrap();
    let mut flipped = std::fs::read(&path).unwrap();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let error = read_masks(&path, &spec).unwrap_err();
    assert!(error.what().ends_with("is damaged: what it holds is not what its digest tells"), "{error}");
}

#[test]
fn clocks_of_older_files_are_understood() {
    let spec = spec("net", 5);
    let (_keep, path) = written(&spec, &state(&spec, 0));
    let whole = without_digest(&path);
    let new = r#""batches_per_epoch":"5""#;
    let at = whole.windows(new.len()).position(|w| w == new.as_bytes()).unwrap();
    // As many bytes, so that offsets stay.
    for (old, batches_per_epoch) in [(r#""epoch":"1","batch":"2""#, 5), (r#""epoch":"0","batch":"7""#, 0)] {
        let old = format!("{old:new$}", new = new.len());
        std::fs::write(&path, [&whole[..at], old.as_bytes(), &whole[at + new.len()..]].concat()).unwrap();
        let clock = Checkpoint::read(&path, &spec).unwrap().progress.clock;
        assert_eq!(clock, Clock { step: 7, batches_per_epoch }, "{old}");
    }
}

fn progress() -> Progress {
    let sums = Sums { loss: 0.1 + 0.2, correct: 2, correct_5: 3, samples: 4 };
    let best = Some(Best { epoch: 1, accuracy: 1.0 / 3.0, accuracy_5: Some(2.0 / 3.0) });
    let clock = Clock { step: 7, batches_per_epoch: 5 };
    Progress { clock, interval: sums, train: sums, validation: sums, best, taken_over: None }
}

fn saved() -> Saved {
    let tensors = [("ever.fc1", SavedTensor::Bits(vec![1, 2, 3])), ("velocity", SavedTensor::Floats(vec![0.5, -1.0]))];
    let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into();
    Saved { note: serde_json::json!({ "updates": 3, "flops": 0.1 }), tensors }
}

fn written(spec: &ModelSpec, state: &ModelState) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    Checkpoint::write(&path, spec, &Origin::new("test", spec, "abc"), &progress(), state, &saved()).unwrap();
    (folder, path)
}

#[test]
fn what_is_written_is_read_and_equal_states_give_equal_bytes() {
    for slots in [0, 1, 2] {
        let spec = spec("net", 5);
        let state = state(&spec, slots);
        let (_a, first) = written(&spec, &state);
        let (_b, second) = written(&spec, &state);
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(second).unwrap());
        let read = Checkpoint::read(&first, &spec).unwrap();
        assert_eq!(read, Checkpoint { origin: Origin::new("test", &spec, "abc"), progress: progress(), state, saved: saved() });
    }
}

#[test]
fn another_model_is_named() {
    let small = spec("net", 5);
    let (_keep, path) = written(&small, &state(&small, 1));
    let read = |spec: &ModelSpec| Checkpoint::read(&path, spec).unwrap_err().what().replace(path.to_str().unwrap(), "X");
    assert_eq!(read(&spec("vgg", 5)), "checkpoint X is of model net, this run is vgg");
    assert_eq!(read(&spec("net", 7)), "checkpoint X has a wrong mask.fc1.weight: mask of shape 7×4 has 3 bytes, expected 4");
    assert_eq!(read(&spec("net", 6)), "checkpoint X has model.fc1.bias of shape [5], expected [6]");
}

#[test]
fn damage_is_found() {
    let spec = spec("net", 5);
    let (_keep, path) = written(&spec, &state(&spec, 1));
    let whole = without_digest(&path);
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::read(&path, &spec).unwrap_err().what().replace(path.to_str().unwrap(), "X")
    };
    for cut in [0, 7, 100, whole.len() - 1] {
        assert!(read(&whole[..cut]).starts_with("checkpoint X is damaged"), "{cut}");
    }
    let saved_bits = 3;
    // One more bit in the last mask: as many values as before, so the counts disagree.
    let mut flipped = whole.clone();
    let at = flipped.len() - saved_bits;
    flipped[at - 1] |= 0b11;
    assert!(read(&flipped).starts_with("checkpoint X has edges.fc2.weight of shape [4], expected [5]"), "{}", read(&flipped));
    let find = |text: &str| whole.windows(text.len()).position(|w| w == text.as_bytes()).unwrap();
    let at = find("\"format\":\"1\"");
    let mut newer = whole.clone();
    newer[at + 10] = b'9';
    assert_eq!(read(&newer), "checkpoint X has format 9, this program reads format 1");
    let mut renamed = whole.clone();
    let at = find("optim.fc1.bias.0");
    renamed[at + 15] = b'5';
    assert_eq!(read(&renamed), "checkpoint X has a tensor 'optim.fc1.bias.5' that model net has not");
}

#[test]
fn masks_are_read_whatever_else_a_file_holds() {
    // Of another model, with biases that the reader has not.
    let wide = spec("net", 5);
    let (_keep, path) = written(&wide, &state(&wide, 1));
    let whole = without_digest(&path);
    let mut plain = ModelSpec::new("plain", Image::new(1, 2, 2), DefaultInit::FanInUniform);
    let a = plain.push("fc1", Op::Linear { shape: LayerShape::linear(5, 4), bias: false }, &[0]).unwrap();
    plain.push("fc2", Op::Linear { shape: LayerShape::linear(2, 5), bias: false }, &[a]).unwrap();
    let masks: Vec<Mask> = state(&wide, 0).layers.into_iter().map(|l| l.mask).collect();
    assert_eq!(read_masks(&path, &plain).unwrap(), masks);

    let message = |spec: &ModelSpec| {
        let error = read_masks(&path, spec).unwrap_err();
        assert!(error.help_text().unwrap().starts_with(&format!("give a checkpoint of {}", spec.name())), "{error}");
        error.what().replace(path.to_str().unwrap(), "X")
    };
    assert_eq!(message(&spec("net", 7)), "mask file X has a wrong mask.fc1.weight: mask of shape 7×4 has 3 bytes, expected 4");
    let mut deeper = plain.clone();
    deeper.push("fc3", Op::Linear { shape: LayerShape::linear(2, 2), bias: false }, &[2]).unwrap();
    assert_eq!(message(&deeper), "mask file X has no tensor 'mask.fc3.weight'");
    let mut shallower = ModelSpec::new("flat", Image::new(1, 2, 2), DefaultInit::FanInUniform);
    shallower.push("fc1", Op::Linear { shape: LayerShape::linear(5, 4), bias: false }, &[0]).unwrap();
    assert_eq!(message(&shallower), "mask file X has a tensor 'mask.fc2.weight' that model flat has not");

    // One more bit in the last mask: the values of its edges tell.
    let mut flipped = whole.clone();
    let at = flipped.len() - 3;
    flipped[at - 1] |= 0b11;
    std::fs::write(&path, flipped).unwrap();
    assert_eq!(message(&plain), "mask file X has edges.fc2.weight of shape [4], expected [5]");
    let at = whole.windows(12).position(|w| w == b"\"format\":\"1\"").unwrap();
    std::fs::write(&path, [&whole[..at + 10], b"9", &whole[at + 11..]].concat()).unwrap();
    assert_eq!(message(&plain), "mask file X has format 9, this program reads format 1");
}

#[test]
fn masks_in_other_forms_are_told() {
    use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
    let mut spec = ModelSpec::new("net", Image::new(1, 2, 2), DefaultInit::FanInUniform);
    spec.push("fc1", Op::Linear { shape: LayerShape::linear(6, 4), bias: false }, &[0]).unwrap();
    let mask = Mask::from_positions(LayerShape::linear(6, 4), [0, 3, 9, 17]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masks.safetensors");
    let read = |name: &str, kind: Dtype, shape: &[usize], bytes: &[u8], sum: Option<&str>| {
        let tensor = TensorView::new(kind, shape.to_vec(), bytes).unwrap();
        let metadata = sum.map(|sum| [("mask_positions".to_owned(), sum.to_owned())].into());
        serialize_to_file([(name, tensor)], metadata, &path).unwrap();
        let masks = read_masks(&path, &spec);
        masks.map_err(|e| (e.what().replace(path.to_str().unwrap(), "X"), e.help_text().unwrap_or_default().to_owned()))
    };
    let (packed, sum) = (mask.to_bytes(), r#"{"fc1.weight": 29}"#);
    for sum in [None, Some(sum)] {
        assert_eq!(read("mask.fc1.weight", Dtype::U8, &[3], &packed, sum).unwrap(), std::slice::from_ref(&mask));
    }
    let bytes: Vec<u8> = (0..24).map(|p| u8::from(mask.contains(p))).collect();
    let floats: Vec<u8> = bytes.iter().flat_map(|b| f32::from(*b).to_le_bytes()).collect();
    for (name, kind, shape, bytes, what) in [
        ("mask.fc1.weight", Dtype::U8, &[6, 4][..], &bytes, "X has a byte for each weight in mask.fc1.weight"),
        ("mask.fc1.weight", Dtype::BOOL, &[6, 4], &bytes, "X has a bool for each weight in mask.fc1.weight"),
        ("mask.fc1.weight", Dtype::F32, &[24], &floats, "X has a number for each weight in mask.fc1.weight"),
        (
            "fc1.weight_mask",
            Dtype::F32,
            &[6, 4],
            &floats,
            "X has no mask.fc1.weight, but 'fc1.weight_mask', a mask as torch.nn.utils.prune names it",
        ),
        (
            "mask.module.fc1.weight",
            Dtype::U8,
            &[3],
            &packed,
            "X has no mask.fc1.weight, but 'mask.module.fc1.weight', a name with the prefix of DataParallel",
        ),
        ("mask.fc1", Dtype::U8, &[3], &packed, "X has no mask.fc1.weight, but 'mask.fc1', a name without .weight"),
        ("fc1.weight", Dtype::F32, &[6, 4], &floats, "X has no mask.fc1.weight, but 'fc1.weight', the weight itself or its mask"),
    ] {
        let (found, help) = read(name, kind, shape, bytes, None).unwrap_err();
        assert_eq!(found, format!("mask file {what}"));
        assert!(help.contains("np.packbits(mask, bitorder='little')"), "{help}");
    }
    let high: Vec<u8> = packed.iter().map(|byte| byte.reverse_bits()).collect();
    let error = |bytes: &[u8], sum: &str| read("mask.fc1.weight", Dtype::U8, &[3], bytes, Some(sum)).unwrap_err().0;
    assert_eq!(error(&high, sum), "mask file X has mask.fc1.weight packed highest bit first");
    let transposed = Mask::from_positions(LayerShape::linear(6, 4), mask.iter().map(|p| 6 * (p % 4) + p / 4)).to_bytes();
    assert_eq!(error(&transposed, sum), "mask file X has mask.fc1.weight packed over the transposed weight");
    let other = "mask file X has mask.fc1.weight whose positions sum to 29, and 'mask_positions' tells 30";
    assert_eq!(error(&packed, &sum.replace("29", "30")), other);
    assert_eq!(error(&packed, "{}"), "mask file X has no sum for fc1.weight in 'mask_positions' of its metadata");
    assert_eq!(error(&packed, "29"), "mask file X has a wrong 'mask_positions' in its metadata: 29");
}

#[test]
fn values_that_are_not_finite_are_named() {
    let spec = spec("net", 5);
    let good = state(&spec, 1);
    assert_eq!(not_finite(&spec, &good), None);
    let mut weights = good.clone();
    weights.layers[1].weights[0] = f32::NAN;
    assert_eq!(not_finite(&spec, &weights).as_deref(), Some("fc2.weight"));
    let mut slots = good;
    slots.dense[0].slots[0][1] = f32::INFINITY;
    assert_eq!(not_finite(&spec, &slots).as_deref(), Some("fc1.bias"));
}
