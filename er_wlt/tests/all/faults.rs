//! Killed processes, flipped bits and full disks.

#[test]
fn faults_are_survived() {
    crate::common::faults_are_survived(&[
        "--sparse --fix --density 0.2 --model mlp-16 --epochs 3",
        "--sparse --density 0.2 --model mlp-16 --epochs 3 --update-frequency 5 --optimizer adam",
    ]);
}
