//! Masks in forms that other programs write: what was found, and what is read.

use std::collections::BTreeMap;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::MASK;
use er_graphs::graph::{LayerShape, Mask};

/// Where the metadata have the sums of positions.
pub(super) const POSITIONS: &str = "mask_positions";

/// The form that is read, for a message.
pub(super) const READ: &str = "one bit a weight is read, packed row-major over the weight's shape, lowest bit first: \
                               np.packbits(mask, bitorder='little')";

/// The sum of the positions of the edges, row-major from 0, which tells orders of bits apart.
pub(super) fn sum_of_positions(mask: &Mask) -> u64 {
    mask.iter().map(|position| position as u64).sum()
}

/// What else than packed bits the tensor of a layer's mask is, in words.
pub(super) fn other_form(tensor: &TensorView, shape: LayerShape) -> Option<String> {
    let (values, packed) = (tensor.shape().iter().product::<usize>(), shape.weights().div_ceil(8));
    let kind = match tensor.dtype() {
        Dtype::U8 if values == packed => return None,
        Dtype::BOOL => "a bool",
        Dtype::U8 | Dtype::I8 => "a byte",
        Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64 => "a number",
        _ => "an integer",
    };
    (values == shape.weights()).then(|| format!("has {kind} for each weight"))
}

/// A tensor that other programs have in place of this layer's mask, and what they call it.
pub(super) fn other_name(tensors: &SafeTensors, layer: &str) -> Option<String> {
    let parameter = layer.strip_suffix(".weight").unwrap_or(layer);
    let candidates = [
        (format!("{MASK}module.{layer}"), "a name with the prefix of DataParallel"),
        (format!("{parameter}.weight_mask"), "a mask as torch.nn.utils.prune names it"),
        (format!("module.{parameter}.weight_mask"), "a mask as torch.nn.utils.prune names it, with the prefix of DataParallel"),
        (format!("{MASK}{parameter}"), "a name without .weight"),
        (layer.to_owned(), "the weight itself or its mask"),
        (format!("module.{layer}"), "the weight itself or its mask, with the prefix of DataParallel"),
    ];
    candidates.into_iter().find(|(name, _)| tensors.tensor(name).is_ok()).map(|(name, what)| format!("'{name}', {what}"))
}

/// The order in which bits that sum to another number of positions would sum to this one, if there is one: in words.
pub(super) fn other_order(bits: &[u8], shape: LayerShape, sum: u64) -> Option<&'static str> {
    let reversed: Vec<u8> = bits.iter().map(|byte| byte.reverse_bits()).collect();
    let weights = shape.weights();
    let is_set = |bits: &[u8], position: usize| bits[position / 8] >> (position % 8) & 1 == 1;
    // Position p of the transposed matrix is row p mod outputs, column p / outputs.
    let (rows, columns) = (shape.out, weights / shape.out.max(1));
    let transposed = |bits: &[u8]| -> u64 {
        let set = (0..weights).filter(|p| is_set(bits, *p));
        set.map(|p| ((p % rows) * columns + p / rows) as u64).sum()
    };
    let plain = |bits: &[u8]| -> u64 { (0..weights).filter(|p| is_set(bits, *p)).map(|p| p as u64).sum() };
    [
        ("highest bit first", plain(&reversed)),
        ("over the transposed weight", transposed(bits)),
        ("highest bit first, over the transposed weight", transposed(&reversed)),
    ]
    .into_iter()
    .find(|(_, other)| *other == sum)
    .map(|(order, _)| order)
}

/// The sums that the metadata have, by the names of layers.
pub(super) fn stored_sums(text: &str) -> Option<BTreeMap<String, u64>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_of_bits_are_told_apart() {
        let shape = LayerShape::linear(6, 5);
        let mask = Mask::from_positions(shape, [0, 3, 4, 9, 17, 28]);
        let sum = sum_of_positions(&mask);
        assert_eq!(sum, 61);
        let packed = |positions: &[usize], high: bool| {
            let mut bytes = vec![0_u8; 4];
            for p in positions {
                bytes[p / 8] |= if high { 128 >> (p % 8) } else { 1 << (p % 8) };
            }
            bytes
        };
        // Row r, column c of the weight lie at 6·c + r of the transposed one.
        let transposed: Vec<usize> = mask.iter().map(|p| 6 * (p % 5) + p / 5).collect();
        let plain: Vec<usize> = mask.iter().collect();
        let order = |bytes: &[u8]| other_order(bytes, shape, sum);
        assert_eq!(order(&packed(&plain, true)), Some("highest bit first"));
        assert_eq!(order(&packed(&transposed, false)), Some("over the transposed weight"));
        assert_eq!(order(&packed(&transposed, true)), Some("highest bit first, over the transposed weight"));
        assert_eq!(order(&packed(&[1, 2], false)), None);
    }
}
