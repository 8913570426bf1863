//! Run folders: the only code that knows the names of a run's files.

mod checkpoint;
mod files;
mod folder;
pub mod layerwise;
mod lines;
mod listing;
mod manifest;
mod progress;
mod saved;
mod signals;
mod start_point;

pub use checkpoint::{Checkpoint, MaskFile, Origin, checkpoint_content, not_finite, read_masks, sha256, write_masks};
pub use files::{create_folder, is_there, open_regular, replace, replace_text, write_named};
pub use folder::{Invocation, RunFolder, clean, free_memory_bytes, peak_rss_bytes, pretty};
pub use lines::Lines;
pub use listing::{Reached, RunRecord, State, folders_in};
pub use manifest::{Machine, Manifest, Scope, Status, now};
pub use progress::{Best, Progress, Sums, TakenOver};
pub use saved::{Saved, SavedTensor};
pub use signals::{Signals, Stop};
pub use start_point::StartPoint;
