//! Which weights of a layer have a place in the engine.

/// Weights that a thread moves at once: they stay in its cache until all that is to be done to them is done.
pub(super) const CHUNK: usize = 1 << 12;

/// The weights of a layer that are edges of the engine. All others cost the engine nothing.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// Where in its chunk of the weights the weight of each place is.
    at: Vec<u16>,
    /// The first place of each chunk, and the number of places.
    starts: Vec<usize>,
}

impl Places {
    /// Places for the marked ones of all weights.
    pub(super) fn new(marks: impl Iterator<Item = bool>) -> Self {
        let (mut at, mut starts) = (Vec::new(), Vec::new());
        for (weight, mark) in marks.enumerate() {
            if weight.is_multiple_of(CHUNK) {
                starts.push(at.len());
            }
            if mark {
                at.push((weight % CHUNK) as u16);
            }
        }
        starts.push(at.len());
        Self { at, starts }
    }

    /// Number of places.
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// The weights that have places.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let chunks = self.starts.windows(2).enumerate();
        chunks.flat_map(|(chunk, ends)| self.at[ends[0]..ends[1]].iter().map(move |at| chunk * CHUNK + usize::from(*at)))
    }

    /// What places have, by chunk of the weights: where in it their weights are, and these two lists.
    pub(super) fn chunks<'a>(
        &'a self,
        gradients: &'a [f32],
        mut values: &'a mut [f32],
    ) -> impl Iterator<Item = (&'a [u16], &'a [f32], &'a mut [f32])> {
        self.starts.windows(2).map(move |ends| {
            let (first, rest) = std::mem::take(&mut values).split_at_mut(ends[1] - ends[0]);
            values = rest;
            (&self.at[ends[0]..ends[1]], &gradients[ends[0]..ends[1]], first)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_in_the_order_of_weights() {
        for weights in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5] {
            for every in [1, 7, CHUNK + 3, usize::MAX] {
                let marked: Vec<usize> = (0..weights).filter(|w| (w + 1).is_multiple_of(every)).collect();
                let places = Places::new((0..weights).map(|w| (w + 1).is_multiple_of(every)));
                assert_eq!((places.len(), places.iter().collect::<Vec<_>>()), (marked.len(), marked.clone()));
                let gradients: Vec<f32> = marked.iter().map(|w| *w as f32).collect();
                let mut values = vec![0.0; marked.len()];
                let chunks: Vec<_> = places.chunks(&gradients, &mut values).collect();
                assert_eq!(chunks.len(), weights.div_ceil(CHUNK));
                for (chunk, (at, gradients, values)) in chunks.into_iter().enumerate() {
                    assert_eq!(at.len(), values.len());
                    let of_chunk: Vec<f32> = at.iter().map(|at| (chunk * CHUNK + usize::from(*at)) as f32).collect();
                    assert_eq!(of_chunk, gradients);
                }
            }
        }
    }
}
