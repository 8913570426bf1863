//! Killed processes, flipped bits and full disks.

#[test]
fn faults_are_survived() {
    crate::common::faults_are_survived(&[
        "--data digits --model mlp-16 --levels 2 --epochs 2 --lr 0.1 --sparsity 0.2",
        "--data digits --model mlp-16 --levels 3 --epochs 1 --lr 0.1 --sparsity 0.2 --anneal --scaling --settle 2",
    ]);
}
