//! Giving a layer other edges.

use super::Real;
use er_graphs::graph::{LayerState, Mask};

/// Keeps the marked edges.
pub fn keep<T: Real>(layer: &mut LayerState<T>, stay: &[bool]) {
    let positions: Vec<usize> = layer.mask.iter().zip(stay).filter(|(_, s)| **s).map(|(p, _)| p).collect();
    layer.mask = Mask::from_positions(layer.mask.shape(), positions);
    retain(&mut layer.weights, stay);
    layer.slots.iter_mut().for_each(|slot| retain(slot, stay));
}

/// Keeps the marked entries.
pub(super) fn retain<T>(values: &mut Vec<T>, stay: &[bool]) {
    let mut stays = stay.iter();
    values.retain(|_| stays.next() == Some(&true));
}

/// Which edge of `other` each edge of `mask` is, if it is one. O(edges of both).
pub fn places(mask: &Mask, other: &Mask) -> impl Iterator<Item = Option<usize>> {
    let mut others = other.iter().enumerate().peekable();
    mask.iter().map(move |p| {
        while others.next_if(|(_, q)| *q < p).is_some() {}
        others.next_if(|(_, q)| *q == p).map(|(e, _)| e)
    })
}

/// Replaces a layer's edges by those of `mask`. Edges it has already, and which `keeps` marks, keep weight and optimiser state;
/// `fresh` gives the weights of the others, which begin without optimiser state, for their positions and the layer's weights.
pub fn replace<T: Real>(layer: &mut LayerState<T>, mask: Mask, keeps: &[bool], fresh: impl FnOnce(&[usize], &[T]) -> Vec<T>) {
    // Where each new edge was, if its values stay.
    let from: Vec<Option<usize>> = places(&mask, &layer.mask).map(|e| e.filter(|e| keeps[*e])).collect();
    let new: Vec<usize> = mask.iter().zip(&from).filter(|(_, f)| f.is_none()).map(|(p, _)| p).collect();
    let mut values = fresh(&new, &layer.weights).into_iter();
    let moved = |values: &[T], other: &mut dyn FnMut() -> T| -> Vec<T> {
        from.iter().map(|f| f.map_or_else(&mut *other, |e| values[e])).collect()
    };
    layer.weights = moved(&layer.weights, &mut || values.next().unwrap_or_default());
    for slot in &mut layer.slots {
        *slot = moved(slot, &mut T::default);
    }
    layer.mask = mask;
}
