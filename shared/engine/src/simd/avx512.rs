//! 16 floats as one AVX-512 register.

use super::{LANES, Vector};
use std::arch::x86_64::{
    __m512, _CMP_GT_OQ, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_cvtss_f32, _mm512_fmadd_ps, _mm512_load_ps,
    _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
    _mm512_shuffle_ps, _mm512_store_ps, _mm512_storeu_ps,
};

/// One register of 16 floats.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

// SAFETY: needs AVX-512F, which the trait's contract demands of the caller.
unsafe impl Vector for Avx512 {
    // 32 registers: 16 pixels and one broadcast weight; pixels are read as memory operands.
    const TILE: usize = 16;
    const DENSE: [usize; 2] = [6, 4];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the trait's contract (features).
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the trait's contract (features, 16 aligned floats).
        Self(unsafe { _mm512_load_ps(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the trait's contract (features, 16 aligned floats).
        unsafe { _mm512_store_ps(p, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the trait's contract (features).
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the trait's contract (features).
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn at_least(self, floor: Self) -> Self {
        // SAFETY: the trait's contract (features). The instruction returns its second operand where one is NaN.
        Self(unsafe { _mm512_max_ps(floor.0, self.0) })
    }

    #[inline(always)]
    unsafe fn where_positive(self, test: Self) -> Self {
        // SAFETY: the trait's contract (features).
        Self(unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(test.0, _mm512_setzero_ps()), self.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's contract (features).
        Self(unsafe { _mm512_fmadd_ps(self.0, a.0, b.0) })
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the trait's contract (features).
        unsafe {
            let v = _mm512_add_ps(self.0, _mm512_shuffle_f32x4::<0x4E>(self.0, self.0));
            let v = _mm512_add_ps(v, _mm512_shuffle_f32x4::<0xB1>(v, v));
            let v = _mm512_add_ps(v, _mm512_shuffle_ps::<0x4E>(v, v));
            _mm512_cvtss_f32(_mm512_add_ps(v, _mm512_shuffle_ps::<0xB1>(v, v)))
        }
    }

    #[inline(always)]
    unsafe fn sums(vectors: [Self; 8]) -> [f32; 8] {
        let v = vectors.map(|v| v.0);
        let mut all = [0.0; LANES];
        // SAFETY: the trait's contract (features); `all` holds 16 floats and the store is an unaligned one.
        unsafe {
            // Halves of two vectors, then quarters of four, are added side by side; the order within a vector is that of `sum`.
            let halves = |a, b| _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xEE>(a, b));
            let quarters = |a, b| _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xDD>(a, b));
            let low = quarters(halves(v[0], v[1]), halves(v[2], v[3]));
            let high = quarters(halves(v[4], v[5]), halves(v[6], v[7]));
            let pairs = _mm512_add_ps(_mm512_shuffle_ps::<0x44>(low, high), _mm512_shuffle_ps::<0xEE>(low, high));
            let sums = _mm512_add_ps(_mm512_shuffle_ps::<0x88>(pairs, pairs), _mm512_shuffle_ps::<0xDD>(pairs, pairs));
            _mm512_storeu_ps(all.as_mut_ptr(), sums);
        }
        [all[0], all[4], all[8], all[12], all[1], all[5], all[9], all[13]]
    }

    #[inline(always)]
    unsafe fn lanes(self) -> [f32; LANES] {
        let mut x = [0.0; LANES];
        // SAFETY: the trait's contract (features); `x` holds 16 floats and the store is an unaligned one.
        unsafe { _mm512_storeu_ps(x.as_mut_ptr(), self.0) };
        x
    }
}
