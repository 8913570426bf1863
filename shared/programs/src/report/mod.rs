//! Pictures of what was measured.

mod picture;
pub mod svg;

pub use picture::{Cells, Degrees, LayerDensity, MaskPicture, Series, training_picture};
