//! Killed processes, flipped bits and full disks.

#[test]
fn faults_are_survived() {
    crate::common::faults_are_survived(&[
        "--method RigL --density 0.2 --model mlp-16 --epochs 4 --update-frequency 5 --grad-accumulation-n 3",
        "--method SNFS --density 0.2 --model mlp-16 --epochs 4 --update-frequency 5",
        "--method GraNet --density 0.5 --final-density 0.1 --model mlp-16 --epochs 4 --update-frequency 3",
        "--method Top-KAST --density 0.2 --model mlp-16 --epochs 4 --update-frequency 5",
    ]);
}
