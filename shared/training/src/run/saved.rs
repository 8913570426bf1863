//! What checkpoints hold besides networks.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a method of training remembers besides the state of the network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    /// Small things; null if there is no state.
    pub note: Value,
    /// Large things, by names that are unique among them.
    pub tensors: BTreeMap<String, SavedTensor>,
}

/// A tensor of a [`Saved`].
#[derive(Debug, Clone, PartialEq)]
pub enum SavedTensor {
    /// Packed bits.
    Bits(Vec<u8>),
    /// Numbers.
    Floats(Vec<f32>),
}

impl Saved {
    /// Names a tensor with a value that is not a finite number, if there is one. O(values).
    pub fn not_finite(&self) -> Option<String> {
        let bad = |tensor: &SavedTensor| matches!(tensor, SavedTensor::Floats(v) if !v.iter().all(|v| v.is_finite()));
        self.tensors.iter().find(|(_, tensor)| bad(tensor)).map(|(name, _)| name.clone())
    }
}
