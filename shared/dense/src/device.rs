//! Opening a device, and saying what went wrong on one.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use er_engine::Device;
use er_graphs::error::{Error, Result};

/// What the driver, cuBLAS and dfdx call a failure, what it is, and what to do about it.
const KNOWN: [(&[&str], &str, &str); 11] = [
    (
        &["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED", "OutOfMemory"],
        "out of memory",
        "use a smaller --batch-size and --test-batch-size",
    ),
    (
        &["CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"],
        "the NVIDIA driver is older than CUDA 13",
        "install driver 580 or newer",
    ),
    (
        &["CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"],
        "the NVIDIA driver's library and kernel module are of different versions",
        "restart the machine, if the driver was updated since it started; else install driver 580 or newer",
    ),
    (
        &["CUDA_ERROR_JIT_COMPILER_NOT_FOUND"],
        "a part of the NVIDIA driver is missing, its PTX compiler",
        "install all of driver 580 or newer; containers need its libraries from outside",
    ),
    (
        &["CUDA_ERROR_NO_BINARY_FOR_GPU", "CUDA_ERROR_INVALID_PTX", "CUDA_ERROR_INVALID_IMAGE"],
        "this program was built for another compute capability",
        "build it again for this GPU with scripts/cuda-build.sh, which takes its compute capability, like 8.6",
    ),
    (
        &["CUBLAS_STATUS_ARCH_MISMATCH"],
        "cuBLAS has nothing for this GPU",
        "CUDA 13 needs a GPU of compute capability 7.5 or newer; leave --device out to compute without one",
    ),
    (
        &["CUBLAS_STATUS_NOT_INITIALIZED"],
        "cuBLAS does not start",
        "free memory on the GPU (nvidia-smi says who uses it), or install driver 580 or newer",
    ),
    (
        &["CUDA_ERROR_NO_DEVICE"],
        "the NVIDIA driver sees no GPU",
        "see what nvidia-smi says and whether CUDA_VISIBLE_DEVICES hides it, or leave --device out",
    ),
    (&["CUDA_ERROR_INVALID_DEVICE"], "there is no GPU of this number", "nvidia-smi -L lists the GPUs; the first is cuda:0"),
    (
        &["CUDA_ERROR_DEVICE_UNAVAILABLE"],
        "the GPU is taken by another program",
        "wait for that program, or take another GPU; nvidia-smi lists both",
    ),
    (
        &["CUDA_ERROR_STUB_LIBRARY"],
        "libcuda.so.1 is a stand-in for linking, not the NVIDIA driver's",
        "take the folder of the stand-in out of LD_LIBRARY_PATH, and install driver 580 or newer",
    ),
];

/// What dfdx says, for the user. The types of its errors differ from device to device; their texts have the names of codes.
pub(super) fn failed(error: &impl Display, device: Device) -> Error {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let known = KNOWN.iter().find_map(|(names, what, help)| {
        let name = names.iter().find(|name| text.contains(**name))?;
        Some((format!("{what} ({name})"), *help))
    });
    let (what, help) = known.unwrap_or_else(|| {
        let help = match device {
            Device::Cpu => "this is a fault of the program; please report it",
            Device::Cuda(_) => "docs/cuda.md lists what can be wrong; leave --device out to compute without a GPU",
        };
        (text, help)
    });
    Error::failure(format!("cannot compute on {device}: {what}")).help(help)
}

/// Runs what may fail on a device. Where dfdx has no result to return, in copies of tensors and in freeing them, it panics with the
/// failure; this makes an error of it too. Other panics go on.
pub(super) fn guarded<R>(device: Device, work: impl FnOnce() -> Result<R>) -> Result<R> {
    // What was being computed is lost either way.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| match of_device(&*panic) {
        Some(text) => Err(failed(&text, device)),
        None => resume_unwind(panic),
    })
}

/// What a panic says, if it is about a device.
fn of_device(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied())?;
    let names = ["DriverError(", "CublasError(", "NvrtcError(", "CompileError", "CpuError::", "OutOfMemory"];
    names.iter().any(|name| text.contains(name)).then_some(text)
}

/// Keeps panics about a device, which end as errors, from being told twice.
#[cfg(feature = "cuda")]
fn silence_failures() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let message = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if of_device(info.payload()).is_none() {
                message(info);
            }
        }));
    });
}

/// Opens the GPU of this number.
///
/// # Errors
/// No driver, no such GPU, or one that cannot be used; says what to do about it.
#[cfg(feature = "cuda")]
pub fn cuda(ordinal: usize) -> Result<dfdx::tensor::Cuda> {
    use cudarc::driver::result;

    let device = Device::Cuda(ordinal);
    // dfdx panics where there is no driver or no such GPU, so both are asked for before. An error is known by its code: its text comes
    // from the driver, and asking for it panics if that is not one.
    let number = i32::try_from(ordinal).unwrap_or(i32::MAX);
    result::init().and_then(|()| result::device::get(number)).map_err(|error| failed(&format!("{:?}", error.0), device))?;
    silence_failures();
    dfdx::tensor::Cuda::try_build(ordinal, 0).map_err(|error| failed(&error, device))
}

/// Says that this build knows no GPUs; the processor is one that it never gives.
#[cfg(not(feature = "cuda"))]
pub(super) fn cuda(ordinal: usize) -> Result<dfdx::tensor::Cpu> {
    let device = Device::Cuda(ordinal);
    Err(Error::usage(format!("cannot compute on {device}: this program was built without CUDA"))
        .help("build it as docs/cuda.md says, or leave --device out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &Error, device: Device, what: &str, help: &str) {
        let (said, helped) = (error.what(), error.help_text().unwrap());
        assert!(said.starts_with(&format!("cannot compute on {device}: ")), "{said}");
        assert!(said.contains(what), "{said}");
        assert!(helped.contains(help), "{helped}");
        assert!(!said.contains('\n') && !helped.contains('\n') && !said.ends_with('.'), "{error}");
    }

    #[test]
    fn known_failures_say_what_to_do() {
        for (text, what, help) in [
            (r#"Driver(DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"))"#, "out of memory", "--batch-size"),
            ("Blas(CublasError(CUBLAS_STATUS_ALLOC_FAILED))", "out of memory", "--test-batch-size"),
            (
                r#"Driver(DriverError(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain."))"#,
                "older than CUDA 13",
                "driver 580",
            ),
            (r#"Driver(DriverError(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, ""))"#, "older than CUDA 13", "driver 580"),
            ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "different versions", "restart"),
            (r#"Driver(DriverError(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, ""))"#, "PTX compiler", "containers"),
            (r#"Driver(DriverError(CUDA_ERROR_NO_BINARY_FOR_GPU, ""))"#, "another compute capability", "scripts/cuda-build.sh"),
            (r#"Driver(DriverError(CUDA_ERROR_INVALID_PTX, ""))"#, "another compute capability", "scripts/cuda-build.sh"),
            (r#"Driver(DriverError(CUDA_ERROR_INVALID_IMAGE, ""))"#, "another compute capability", "scripts/cuda-build.sh"),
            ("Blas(CublasError(CUBLAS_STATUS_ARCH_MISMATCH))", "nothing for this GPU", "7.5"),
            ("Blas(CublasError(CUBLAS_STATUS_NOT_INITIALIZED))", "does not start", "580"),
            ("CUDA_ERROR_NO_DEVICE", "no GPU", "nvidia-smi"),
            ("CUDA_ERROR_INVALID_DEVICE", "no GPU of this number", "nvidia-smi -L"),
            (r#"Driver(DriverError(CUDA_ERROR_DEVICE_UNAVAILABLE, ""))"#, "another program", "wait"),
            ("CUDA_ERROR_STUB_LIBRARY", "stand-in", "LD_LIBRARY_PATH"),
        ] {
            let error = failed(&text, Device::Cuda(1));
            check(&error, Device::Cuda(1), what, help);
            assert_eq!(error.kind(), er_graphs::error::Kind::Failure);
        }
    }

    #[test]
    fn the_processor_runs_out_of_memory_as_well() {
        check(&failed(&dfdx::tensor::CpuError::OutOfMemory, Device::Cpu), Device::Cpu, "out of memory", "--batch-size");
    }

    #[test]
    fn unknown_failures_are_told_in_one_line() {
        let error = failed(&"Driver(DriverError(CUDA_ERROR_ILLEGAL_ADDRESS,\n  \"an illegal memory access\"))", Device::Cuda(0));
        check(&error, Device::Cuda(0), r#"DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access")"#, "docs/cuda.md");
        let error = failed(&dfdx::tensor::CpuError::WrongNumElements, Device::Cpu);
        check(&error, Device::Cpu, "WrongNumElements", "report");
    }

    #[test]
    fn panics_about_a_device_become_errors_and_others_go_on() {
        let copied: std::result::Result<(), &str> = Err(r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#);
        let error =
            guarded(Device::Cuda(1), || -> Result<()> { panic!("called `Result::unwrap()` on an `Err` value: {copied:?}") });
        check(&error.unwrap_err(), Device::Cuda(1), "out of memory", "--batch-size");
        let other = std::panic::catch_unwind(|| guarded(Device::Cpu, || -> Result<()> { panic!("batch of no samples") }));
        assert_eq!(other.unwrap_err().downcast_ref::<&str>(), Some(&"batch of no samples"));
        assert_eq!(guarded(Device::Cpu, || Ok(3)), Ok(3));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_cuda_says_how_to_build_it() {
        let error = cuda(0).unwrap_err();
        check(&error, Device::Cuda(0), "built without CUDA", "docs/cuda.md");
        assert_eq!(error.kind(), er_graphs::error::Kind::Usage);
    }
}
