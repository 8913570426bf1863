//! Options about the network and its data.

use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;

use crate::config::{Checks, listing, values};
use er_graphs::error::Result;
use er_networks::init::InitMethod;
use er_networks::model::{self, Image, ModelSpec};
use er_training::data::{DataKind, Normalise};

/// Images on which the best epoch is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectOn {
    /// Those held out.
    Validation,
    /// The test images, as the published programs of dynamic sparse training do: the accuracy that is reported is then too high.
    Test,
}

/// A network, and the data set whose images and classes it is for.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Data and model")]
#[serde(rename_all = "kebab-case")]
pub struct NetworkOptions {
    /// Data set: digits (built in), mnist, fashion_mnist, cifar10, cifar100, tiny_imagenet, imagenet or synthetic
    #[arg(long, default_value = "digits", value_parser = values::parsed::<DataKind>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    pub data: DataKind,
    /// Shape of the images; only imagenet and synthetic leave a choice [default: that of the data set]
    #[arg(long, value_parser = values::image, value_name = "CxHxW")]
    #[serde(serialize_with = "values::display_option")]
    pub input: Option<Image>,
    /// Number of classes; only synthetic leaves a choice [default: that of the data set]
    #[arg(long, value_parser = values::count, value_name = "N")]
    pub classes: Option<usize>,
    /// Network.
    #[arg(long, value_name = "NAME",
          help = format!("Network, such as resnet18 or mlp-300-100: {} [default: one that suits the images]", listing::models()))]
    pub model: Option<String>,
}

impl NetworkOptions {
    /// The network. Fills in the options that were left out.
    ///
    /// # Errors
    /// A shape or number of classes that the data set does not have; a network that does not exist or does not fit.
    pub fn resolve(&mut self) -> Result<ModelSpec> {
        let asked = er_training::data::Options { input: self.input, classes: self.classes, ..Default::default() };
        let (image, classes) = asked.shape(self.data)?;
        (self.input, self.classes) = (Some(image), Some(classes));
        let name = self.model.get_or_insert_with(|| model::default_for(image).to_owned());
        let spec = model::build(name, image, classes)?;
        spec.name().clone_into(name);
        Ok(spec)
    }
}

/// What to train on.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Data and model")]
#[serde(rename_all = "kebab-case")]
pub struct DataOptions {
    /// The network and its data set.
    #[command(flatten)]
    #[serde(flatten)]
    pub network: NetworkOptions,
    /// Fraction of the training images held out for validation; 0: validate on the test images [default: 0.1, or 0 for
    /// cifar100, tiny_imagenet and imagenet]
    #[arg(long, value_parser = values::below_one, value_name = "FRACTION")]
    pub valid_split: Option<f64>,
    /// Whether training images are shifted and mirrored, where the recipe of the data set says so
    #[arg(long, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean, value_name = "BOOL")]
    pub augment: bool,
    /// What is subtracted from the pixels and what they are then divided by, channel by channel: own (mean and standard deviation
    /// of the data set) or half (0.5 and 0.5: values from -1 to 1)
    #[arg(long, default_value = "own", value_parser = values::parsed::<Normalise>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    pub normalise: Normalise,
    /// Images on which the best epoch is chosen: validation or test
    #[arg(long, default_value = "validation", ignore_case = true, value_name = "IMAGES")]
    pub select_on: SelectOn,
}

impl DataOptions {
    /// The network, and what to ask the data set for. Fills in the options that were left out.
    ///
    /// # Errors
    /// As [`NetworkOptions::resolve`].
    pub fn resolve(&mut self, seed: u64) -> Result<(ModelSpec, er_training::data::Options)> {
        self.valid_split.get_or_insert(self.network.data.default_valid_split());
        let spec = self.network.resolve()?;
        let NetworkOptions { input, classes, .. } = self.network;
        let options = er_training::data::Options {
            input,
            classes,
            seed,
            augment: self.augment,
            normalise: self.normalise,
            ..Default::default()
        };
        Ok((spec, options))
    }
}

/// What the weights that exist begin with.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Initialisation")]
#[serde(rename_all = "kebab-case")]
pub struct InitOptions {
    /// First weights: default (the model's own), normal, uniform, bimodal, looks-linear, kaiming-normal, kaiming-uniform,
    /// xavier-normal, xavier-uniform, orthogonal or scaled
    #[arg(long, default_value = "default", value_parser = values::parsed::<InitMethod>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    pub init_method: InitMethod,
    /// Whether the first weights of each layer are moved towards an orthogonal matrix
    #[arg(long)]
    pub ortho_repair: bool,
    /// Same as --init-method scaled: Kaiming's variance for the edges that exist
    #[arg(long)]
    pub scaled: bool,
}

impl InitOptions {
    /// The way weights are drawn, which two options can name. Afterwards `init_method` says so too.
    pub fn resolve(&mut self, checks: &mut Checks) -> InitMethod {
        if self.scaled {
            let other = self.init_method;
            if checks.given.has("init-method") && other != InitMethod::Scaled {
                let what = format!("{} means --init-method scaled, but {other} is asked for", checks.given.show("scaled"));
                checks.problems.add_with_help(what, "give one of the two");
            }
            self.init_method = InitMethod::Scaled;
        }
        checks.unused("scaled");
        self.init_method
    }
}
