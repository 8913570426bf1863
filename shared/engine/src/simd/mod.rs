//! Vectors of 16 floats and the instruction sets that provide them.
//!
//! A pixel of the engine's layout is 16 samples side by side, so one vector type is all the kernels need: an AVX-512 register,
//! a pair of AVX2 registers, or an array that any target can compute with. Kernels are written once, generic over
//! [`Vector`], and compiled for each instruction set; [`Isa::detect`] picks one at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use portable::Portable;

/// Samples side by side.
pub(super) const LANES: usize = 16;

/// An instruction set the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Any target.
    Portable,
    /// x86-64 with AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The best one this machine has.
    pub fn detect() -> Self {
        Self::available().into_iter().next_back().unwrap_or(Self::Portable)
    }

    /// All that this machine has, slowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// Name, as in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2+fma",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512f",
        }
    }

    /// Vectors that a kernel can accumulate at once without spilling registers.
    pub(super) fn tile(self) -> usize {
        match self {
            Self::Portable => Portable::TILE,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::TILE,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::TILE,
        }
    }

    /// Units and pixels that a dense kernel accumulates at once.
    pub(super) fn dense_tile(self) -> [usize; 2] {
        match self {
            Self::Portable => Portable::DENSE,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::DENSE,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::DENSE,
        }
    }
}

/// 16 floats and the arithmetic kernels need.
///
/// # Safety
/// Implementations may use instructions beyond the target's baseline: every method must only be called on a machine that has
/// them, from a function compiled for them (the `versions!` macro sees to both). Pointers must be valid for 16 floats and, for
/// `load` and `store`, 64-byte aligned.
pub(super) unsafe trait Vector: Copy {
    /// Accumulators of a tile.
    const TILE: usize;
    /// Units and pixels of a dense tile.
    const DENSE: [usize; 2];
    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self;
    /// Reads 16 floats.
    unsafe fn load(p: *const f32) -> Self;
    /// Writes 16 floats.
    unsafe fn store(self, p: *mut f32);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self · other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// max(self, floor), but NaN stays NaN: a diverged run must be seen. With floor 0 a ReLU, with -∞ nothing.
    unsafe fn at_least(self, floor: Self) -> Self;
    /// `self` where `test > 0`, else 0.
    unsafe fn where_positive(self, test: Self) -> Self;
    /// `self · a + b`.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// Sum of the lanes, in one fixed order.
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the trait's contract (features).
        tree_sum(unsafe { self.lanes() })
    }
    /// Sums of the lanes of eight vectors, each in the order of [`Vector::sum`].
    #[inline(always)]
    unsafe fn sums(vectors: [Self; 8]) -> [f32; 8] {
        // SAFETY: the trait's contract (features).
        vectors.map(|v| unsafe { v.sum() })
    }
    /// The lanes.
    unsafe fn lanes(self) -> [f32; LANES];
}

/// Sum of 16 floats as a tree: the same order for every instruction set.
#[inline(always)]
fn tree_sum(mut x: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            x[i] += x[i + half];
        }
        half /= 2;
    }
    x[0]
}

/// Declares `fn name(isa, args…)`, which runs the generic kernel compiled for `isa`.
///
/// The kernel must be `#[inline(always)]`: it is inlined into a function that has the instruction set enabled. `isa` can only
/// be one that [`Isa::detect`] or [`Isa::available`] found on this machine, which is what makes the calls sound.
macro_rules! versions {
    ($(#[$meta:meta])* unsafe fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $($generic:ident)::+;) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        pub(crate) unsafe fn $name(isa: $crate::simd::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the caller's contract is the kernel's; the features are enabled here.
                unsafe { $($generic)::+::<$crate::simd::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx512f,avx2,fma")]
            unsafe fn avx512($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the caller's contract is the kernel's; the features are enabled here.
                unsafe { $($generic)::+::<$crate::simd::Avx512>($($arg),*) }
            }
            // SAFETY: `isa` was found on this machine, so its instructions exist; the rest is the caller's contract.
            unsafe {
                match isa {
                    $crate::simd::Isa::Portable => $($generic)::+::<$crate::simd::Portable>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Isa::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Isa::Avx512 => avx512($($arg),*),
                }
            }
        }
    };
}
pub(super) use versions;

#[cfg(test)]
mod tests {
    use super::*;

    versions! {
        /// # Safety
        /// `isa` is one of this machine's.
        unsafe fn all_sums(rows: &[[f32; LANES]; 8]) -> ([f32; 8], [f32; 8]) = both_ways;
    }

    #[inline(always)]
    unsafe fn both_ways<V: Vector>(rows: &[[f32; LANES]; 8]) -> ([f32; 8], [f32; 8]) {
        #[repr(align(64))]
        struct Aligned([f32; LANES]);
        // SAFETY: 16 aligned floats; instructions by the caller's contract.
        let vectors = rows.map(|row| unsafe { V::load(Aligned(row).0.as_ptr()) });
        // SAFETY: instructions by the caller's contract.
        unsafe { (V::sums(vectors), vectors.map(|v| v.sum())) }
    }

    /// Every instruction set adds the lanes in the same order, one vector or eight at a time.
    #[test]
    fn sums_are_those_of_a_tree() {
        let rows: [[f32; LANES]; 8] =
            std::array::from_fn(|r| std::array::from_fn(|l| (1.0 + (r * LANES + l) as f32).sqrt().sin()));
        let want = rows.map(tree_sum);
        for isa in Isa::available() {
            // SAFETY: available on this machine.
            assert_eq!(unsafe { all_sums(isa, &rows) }, (want, want), "{}", isa.name());
        }
    }
}
