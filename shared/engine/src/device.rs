//! What networks are computed on.

use std::fmt;
use std::str::FromStr;

use er_graphs::error::{Error, Result};

/// What a dense network is computed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        let lower = text.to_lowercase();
        let device = match lower.as_str() {
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            other => other.strip_prefix("cuda:").and_then(number).map(Self::Cuda),
        };
        device.ok_or_else(|| Error::usage(format!("'{text}' is not a device")).help("give cpu, cuda or cuda:N"))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for (text, device, written) in [
            ("cpu", Device::Cpu, "cpu"),
            ("CPU", Device::Cpu, "cpu"),
            ("cuda", Device::Cuda(0), "cuda:0"),
            ("cuda:0", Device::Cuda(0), "cuda:0"),
            ("Cuda:12", Device::Cuda(12), "cuda:12"),
        ] {
            assert_eq!(text.parse::<Device>().unwrap(), device, "{text}");
            assert_eq!(device.to_string(), written);
            assert_eq!(written.parse::<Device>().unwrap(), device);
        }
        for wrong in ["gpu", "", "cuda:", "cuda:+1", "cuda:-1", "cuda:x", "cuda0", "cpu:0", "cuda:99999999999999999999"] {
            let error = wrong.parse::<Device>().unwrap_err();
            assert_eq!(error.what(), format!("'{wrong}' is not a device"));
            assert_eq!(error.help_text(), Some("give cpu, cuda or cuda:N"));
        }
    }
}
