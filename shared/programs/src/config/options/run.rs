//! Options about running.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::PublishedOptions;
use crate::config::{OptionId, Resolver, values};
use crate::{option, options};
use er_engine::Device;
use er_training::Backend;

/// The engines, by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Along the edges, on the CPU.
    #[default]
    Sparse,
    /// With all weights, on the CPU or a GPU.
    Dense,
}

/// How, where and how often to run: nothing here changes a result, but that engines and devices round in other ways.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Running")]
pub struct RunOptions {
    /// YAML file of options, or the folder of a run for those it had; given again, later files win, and the command line wins over all
    #[arg(long, value_name = "FILE|FOLDER")]
    pub config: Option<PathBuf>,
    /// Options that files of --config set and that are to be what they are without them, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "OPTIONS")]
    pub unset: Vec<String>,
    /// Folder in which each run gets a folder of its own
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub out: PathBuf,
    /// Word with which the name of the run's folder begins [default: the program's name]
    #[arg(long, alias = "save", value_parser = clap::builder::NonEmptyStringValueParser::new(), value_name = "TAG")]
    pub name: Option<String>,
    /// Folder of the data sets [default: $ER_DATA, ./data, /usr/share/datasets]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Number of threads [default: one per core]
    #[arg(long, alias = "max-threads", value_parser = values::threads, value_name = "N")]
    pub threads: Option<usize>,
    /// What computes: sparse (along the edges, on the CPU) or dense (with all weights, on the CPU or a GPU); results agree to
    /// rounding
    #[arg(long, default_value = "sparse", ignore_case = true, value_name = "NAME")]
    pub engine: EngineName,
    /// What --engine dense computes on: cpu, cuda (the first GPU) or cuda:N (GPU N, from 0); results agree to rounding
    #[arg(long, default_value = "cpu", value_parser = values::parsed::<Device>, value_name = "NAME")]
    pub device: Device,
    /// Steps between two lines of metrics
    #[arg(long, default_value = "100", value_parser = values::count, value_name = "STEPS")]
    pub log_interval: usize,
    /// Steps between two checkpoints; there is one after each epoch in any case
    #[arg(long, default_value = "1000", value_parser = values::count, value_name = "STEPS")]
    pub checkpoint_interval: usize,
    /// Epochs between two files of masks in the run's folder masks/, the first of which is written before training; graph reads
    /// them [default: none]
    #[arg(long, value_parser = values::count, value_name = "EPOCHS")]
    pub save_masks: Option<usize>,
    /// Do not show progress
    #[arg(long)]
    pub quiet: bool,
    /// Train this many times, with the seeds --seed, --seed + 1, …, and print the mean and standard deviation
    #[arg(long, default_value = "1", value_parser = values::count, value_name = "N")]
    pub iters: usize,
}

impl RunOptions {
    /// Threads to use: those asked for, else one a core.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The engine and its device. Whether they are there is for [`Backend::check`] to tell.
    pub fn backend(&self, published: &PublishedOptions, resolver: &mut Resolver) -> Backend {
        let option = option!(self.device);
        if let Device::Cuda(_) = self.device {
            // As it is usually typed.
            let device = self.device.to_string();
            let what = format!("{} {}", resolver.show(option), device.trim_end_matches(":0"));
            if self.engine == EngineName::Sparse {
                let problem = format!("{what}: the sparse engine computes on the CPU");
                resolver.problems.add_with_help(problem, "add --engine dense");
            }
            if resolver.is_given(option!(published.no_cuda)) {
                resolver.problems.add_with_help(format!("{what} contradicts --no-cuda"), "give one of the two");
            }
        }
        match self.engine {
            EngineName::Sparse => Backend::Sparse,
            EngineName::Dense => Backend::Dense(self.device),
        }
    }

    /// A remark where a file that an option names gives all seeds of [`Self::iters`] the same network to begin with.
    pub fn remark_same_network(&self, option: impl Into<OptionId>, resolver: &mut Resolver) {
        let option = option.into();
        if self.iters > 1 && resolver.is_given(option) {
            let (shown, iters) = (resolver.show(option), self.iters);
            let what =
                format!("{shown}: all {iters} seeds begin with its network, so the deviation says nothing of masks and weights");
            resolver.remarks.push(what);
        }
    }

    /// Keeps them all: they say how and where to run, but for the file they come from and the number of runs.
    pub(in crate::config) fn keep(&self, resolver: &mut Resolver) {
        for option in options![self.config, self.unset, self.iters] {
            resolver.leave_out(option);
        }
        resolver.keep_running(option!(self.out), &self.out);
        resolver.keep_running(option!(self.name), &self.name);
        resolver.keep_running(option!(self.data_dir), &self.data_dir);
        resolver.keep_running(option!(self.threads), self.threads);
        resolver.keep_running(option!(self.engine), self.engine);
        resolver.keep_running(option!(self.device), self.device.to_string());
        resolver.keep_running(option!(self.log_interval), self.log_interval);
        resolver.keep_running(option!(self.checkpoint_interval), self.checkpoint_interval);
        resolver.keep_running(option!(self.save_masks), self.save_masks);
        resolver.keep_running(option!(self.quiet), self.quiet);
    }
}
