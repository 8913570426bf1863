//! Killed processes, flipped bits and full disks.

#[test]
fn faults_are_survived() {
    crate::common::faults_are_survived(&[
        "--set digits --arch mlp-16 --epochs 3 --batch-size 128 --sInit-value -5 --lr 0.1",
        "--set digits --arch mlp-16 --epochs 3 --batch-size 128 --conv-type GMPConv --prune-rate 0.8 --final-prune-epoch 1",
        "--set digits --arch mlp-16 --epochs 2 --batch-size 128 --conv-type ConvMask --er-sparse-method none --pruner mag --threshold-list 0.5,0.2 --warmup-epochs 1 --final-prune-epoch 1 --reset-weights",
    ]);
}
