//! Batches of a data set.

use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt;

use super::augment::{Augment, Shift};
use super::set::{DataSet, Part};
use er_engine::Batch;
use er_graphs::error::{Error, Result};
use er_graphs::rng::{Purpose, stream};

/// Walks through one part of a data set in batches, the last of which may be short.
///
/// A batch depends on nothing but the set, the seed, the epoch and the step, so resuming a run needs no state of the loader, and
/// batches can be filled in any order and by any thread.
#[derive(Debug)]
pub struct Loader {
    set: Arc<DataSet>,
    part: Part,
    batch_size: usize,
    seed: u64,
    /// The normalised value of every byte, per channel.
    tables: Vec<[f32; 256]>,
    /// Order of the training images in the epoch last asked for.
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    epoch: Option<u64>,
    images: Vec<u32>,
}

impl Loader {
    /// A loader for one part of a set.
    ///
    /// # Errors
    /// Usage: a batch size of 0. Failure: a set that [`DataSet::check`] refuses.
    pub fn new(set: Arc<DataSet>, part: Part, batch_size: usize, seed: u64) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::usage("batch size 0: a batch needs at least one image"));
        }
        set.check()?;
        let table = |(mean, std): (&f64, &f64)| std::array::from_fn(|byte| ((byte as f64 / 255.0 - mean) / std) as f32);
        let tables = set.mean.iter().zip(&set.std).map(table).collect();
        Ok(Self { set, part, batch_size, seed, tables, order: Mutex::default() })
    }

    /// The set.
    pub fn set(&self) -> &DataSet {
        &self.set
    }

    /// Number of images in this part.
    pub fn len(&self) -> usize {
        self.set.part(self.part).1.len()
    }

    /// Whether there are no images; never, since every part has some.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Images in every batch but the last.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Number of batches, the last short one included.
    pub fn batches_per_epoch(&self) -> usize {
        self.len().div_ceil(self.batch_size)
    }

    /// Fills `batch` with batch number `step` (from 0) of `epoch` (below 2³²). Its buffers are reused: nothing is allocated once they
    /// have the size of a full batch.
    ///
    /// Training images come in an order drawn anew every epoch (Fisher–Yates) and augmented; images of other parts come in file
    /// order as they are, whatever the epoch.
    ///
    /// # Panics
    /// If `step` is not below [`Loader::batches_per_epoch`].
    pub fn fill(&self, epoch: u64, step: usize, batch: &mut Batch) {
        assert!(step < self.batches_per_epoch(), "batch {step} of {}", self.batches_per_epoch());
        let (split, range) = self.set.part(self.part);
        let size = self.set.image.len();
        let places = step * self.batch_size..((step + 1) * self.batch_size).min(range.len());
        batch.images.resize(places.len() * size, 0.0);
        batch.labels.clear();
        let order = (self.part == Part::Train).then(|| {
            let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            order.draw(self.seed, epoch, range.len() as u32);
            order
        });
        for (place, out) in places.zip(batch.images.chunks_exact_mut(size)) {
            let (image, augment, shift) = match &order {
                Some(order) => {
                    let image = order.images[place];
                    (image as usize, self.set.augment, self.set.augment.draw(self.seed, epoch, image))
                }
                None => (range.start + place, Augment::NONE, Shift::NONE),
            };
            batch.labels.push(split.labels[image]);
            augment.apply(shift, self.set.image, &split.images[image * size..][..size], &self.tables, out);
        }
    }
}

impl Order {
    /// The permutation of an epoch, drawn unless it is the one last drawn; O(n).
    fn draw(&mut self, seed: u64, epoch: u64, n: u32) {
        if self.epoch == Some(epoch) {
            return;
        }
        self.images.clear();
        self.images.extend(0..n);
        let mut rng = stream(seed, Purpose::Shuffle, epoch);
        for last in (1..n).rev() {
            self.images.swap(last as usize, rng.random_range(0..=last) as usize);
        }
        self.epoch = Some(epoch);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::{Border, Split};
    use er_networks::model::Image;

    /// A set whose image i is made of bytes that tell i.
    pub(in crate::data) fn toy(n: usize, hold_out: usize, augment: Augment) -> Arc<DataSet> {
        let image = Image::new(2, 3, 3);
        let split = |n: usize, first: usize| Split {
            images: (first..first + n).flat_map(|i| (0..18).map(move |p| (i * 5 + p) as u8)).collect(),
            labels: (0..n as u32).collect(),
        };
        let (mean, std) = (vec![0.5, 0.25], vec![0.25, 0.5]);
        let (train, test) = (split(n, 0), split(7, 100));
        Arc::new(DataSet { name: "toy".into(), image, classes: n.max(7), train, test, mean, std, augment, hold_out })
    }

    const SHIFTED: Augment = Augment { pad: 1, border: Border::Zero, flip: true };

    fn epoch(loader: &Loader, epoch: u64) -> Vec<Batch> {
        (0..loader.batches_per_epoch())
            .map(|step| {
                let mut batch = Batch::default();
                loader.fill(epoch, step, &mut batch);
                batch
            })
            .collect()
    }

    #[test]
    fn values_are_normalised_exactly() {
        let mut set = (*toy(1, 0, Augment::NONE)).clone();
        set.train.images = vec![0, 51, 102, 153, 204, 255, 1, 2, 3, 0, 51, 102, 153, 204, 255, 1, 2, 3];
        let loader = Loader::new(Arc::new(set), Part::Train, 4, 0).unwrap();
        let batch = epoch(&loader, 0).remove(0);
        assert_eq!(batch.labels, [0]);
        // (byte/255 − 1/2)·4 in the first channel, (byte/255 − 1/4)·2 in the second; 51 = 255/5.
        assert_eq!(batch.images[..6], [-2.0, -1.2, -0.4, 0.4, 1.2, 2.0].map(|v: f64| v as f32));
        assert_eq!(batch.images[9..15], [-0.5, -0.1, 0.3, 0.7, 1.1, 1.5].map(|v: f64| v as f32));
    }

    #[test]
    fn an_epoch_covers_every_training_image_once() {
        let loader = Loader::new(toy(23, 3, SHIFTED), Part::Train, 6, 17).unwrap();
        assert_eq!((loader.len(), loader.batches_per_epoch()), (20, 4));
        let orders: Vec<Vec<u32>> = (0..3).map(|e| epoch(&loader, e).into_iter().flat_map(|b| b.labels).collect()).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != (0..20).collect::<Vec<_>>());
        assert_eq!(epoch(&loader, 0).iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [6, 6, 6, 2]);
        assert_eq!(epoch(&loader, 0)[3].images.len(), 2 * 18);
    }

    #[test]
    fn batches_are_counted_as_in_the_published_runs() {
        let mut set = (*toy(1, 0, Augment::NONE)).clone();
        set.train = Split { images: vec![0; 50_000 * 18], labels: vec![0; 50_000] };
        let count = |set: DataSet, size| Loader::new(Arc::new(set), Part::Train, size, 0).unwrap().batches_per_epoch();
        assert_eq!([100, 128, 256].map(|size| count(set.clone(), size)), [500, 391, 196]);
        let held = set.with_valid_split(0.1).unwrap();
        assert_eq!([100, 128].map(|size| count(held.clone(), size)), [450, 352]);
    }

    #[test]
    fn the_order_of_a_seed_never_changes() {
        // Computed apart from this crate, from the definitions of ChaCha8 and of Fisher–Yates. A change here would mean that runs of
        // older versions cannot be repeated.
        let loader = Loader::new(toy(10, 0, Augment::NONE), Part::Train, 10, 17).unwrap();
        assert_eq!(epoch(&loader, 0)[0].labels, [7, 4, 9, 5, 1, 2, 3, 8, 6, 0]);
        assert_eq!(epoch(&loader, 1)[0].labels, [7, 3, 0, 6, 4, 5, 9, 2, 1, 8]);
        let shifts: Vec<_> = (0..4).map(|i| SHIFTED.draw(17, 0, i)).map(|s| (s.down, s.right, s.flip)).collect();
        assert_eq!(shifts, [(1, 0, true), (0, 0, false), (1, -1, true), (-1, 1, true)]);
    }

    #[test]
    fn orders_are_uniform() {
        let loader = Loader::new(toy(4, 0, Augment::NONE), Part::Train, 4, 5).unwrap();
        let mut count = std::collections::HashMap::new();
        for e in 0..4800 {
            *count.entry(epoch(&loader, e).remove(0).labels).or_insert(0_u32) += 1;
        }
        assert_eq!(count.len(), 24);
        // 200 expected, standard deviation √(4800·(1/24)·(23/24)) ≈ 13.8; five of them.
        assert!(count.values().all(|c| c.abs_diff(200) < 70), "{count:?}");
    }

    #[test]
    fn other_parts_come_in_file_order_and_plain() {
        let set = toy(10, 4, SHIFTED);
        let plain = |images: &[u8], loader: &Loader| -> Vec<f32> {
            images.iter().enumerate().map(|(i, &b)| loader.tables[i % 18 / 9][usize::from(b)]).collect()
        };
        for (part, images, labels) in [
            (Part::Validation, &set.train.images[6 * 18..], vec![6, 7, 8, 9]),
            (Part::Test, &set.test.images[..], (0..7).collect()),
        ] {
            let loader = Loader::new(set.clone(), part, 3, 1).unwrap();
            let batches = epoch(&loader, 0);
            assert_eq!(batches, epoch(&loader, 1));
            assert_eq!(batches.iter().flat_map(|b| b.labels.clone()).collect::<Vec<_>>(), labels);
            assert_eq!(batches.iter().flat_map(|b| b.images.clone()).collect::<Vec<_>>(), plain(images, &loader));
        }
        let none = Loader::new(toy(10, 0, SHIFTED), Part::Validation, 3, 1).unwrap();
        assert_eq!(epoch(&none, 0), epoch(&Loader::new(toy(10, 0, SHIFTED), Part::Test, 3, 1).unwrap(), 0));
    }

    #[test]
    fn a_batch_depends_on_seed_epoch_and_step_only() {
        let make = |seed| Loader::new(toy(20, 0, SHIFTED), Part::Train, 6, seed).unwrap();
        let whole = epoch(&make(1), 3);
        // Backwards, in a used buffer, on another loader, after other epochs.
        let loader = make(1);
        let mut batch = Batch { images: vec![9.0; 1000], labels: vec![3; 50] };
        for step in (0..4).rev() {
            loader.fill(7, step, &mut batch);
            loader.fill(3, step, &mut batch);
            assert_eq!(batch, whole[step]);
        }
        assert_ne!(epoch(&make(2), 3), whole);
        // Augmentation follows the image, not its place: another batch size shows the same images.
        let images = |loader: &Loader| -> Vec<f32> { epoch(loader, 3).into_iter().flat_map(|b| b.images).collect() };
        let single = Loader::new(toy(20, 0, SHIFTED), Part::Train, 1, 1).unwrap();
        assert_eq!(images(&single), images(&make(1)));
    }

    #[test]
    fn training_images_are_augmented_as_drawn() {
        let set = toy(20, 0, SHIFTED);
        let loader = Loader::new(set.clone(), Part::Train, 20, 8).unwrap();
        let batch = epoch(&loader, 2).remove(0);
        for (&label, values) in batch.labels.iter().zip(batch.images.chunks(18)) {
            let Shift { down, right, flip } = SHIFTED.draw(8, 2, label);
            for (i, &value) in values.iter().enumerate() {
                let (c, y, x) = (i / 9, i % 9 / 3, i % 3);
                let (y, x) = (y as isize + down, if flip { 2 - x } else { x } as isize + right);
                let inside = (0..3).contains(&y) && (0..3).contains(&x);
                let byte = if inside { set.train.images[label as usize * 18 + c * 9 + (y * 3 + x) as usize] } else { 0 };
                assert_eq!(value.to_bits(), loader.tables[c][usize::from(byte)].to_bits());
            }
        }
    }

    #[test]
    fn buffers_are_reused() {
        let loader = Loader::new(toy(20, 0, SHIFTED), Part::Train, 6, 1).unwrap();
        let mut batch = Batch::default();
        loader.fill(0, 0, &mut batch);
        let buffers = (batch.images.as_ptr(), batch.labels.as_ptr());
        for step in [3, 1, 0] {
            loader.fill(1, step, &mut batch);
            assert_eq!((batch.images.as_ptr(), batch.labels.as_ptr()), buffers);
        }
    }

    #[test]
    fn unusable_loaders_are_refused() {
        let error = Loader::new(toy(3, 0, SHIFTED), Part::Test, 0, 1).unwrap_err();
        assert_eq!(
            (error.kind(), error.what()),
            (er_graphs::error::Kind::Usage, "batch size 0: a batch needs at least one image")
        );
        let wide = Augment { pad: 3, border: Border::Reflect, flip: false };
        assert!(Loader::new(toy(3, 0, wide), Part::Test, 1, 1).is_err());
    }
}
