//! One product by cuBLASLt.

use std::{ffi::c_void, mem::size_of_val, sync::Arc};

use cudarc::{
    cublaslt::{
        result::{self, CublasError},
        sys,
    },
    driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut},
};

use super::{DeviceError, Precision, failed, failed_product};

/// What NVIDIA advises for its larger GPUs.
pub(super) const WORKSPACE_BYTES: usize = 32 << 20;

/// Sizes as cuBLASLt has them: matrices by columns. `out` is `[m, n]`, the weight `[m, k]` or the transpose of
/// `[k, m]`, the input `[k, n]`; columns lie one after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) is_transposed: bool,
    pub(super) precision: Precision,
}

/// The library with what it needs to work in.
pub(super) struct Blas {
    handle: Handle,
    stream: Arc<CudaStream>,
    workspace: CudaSlice<u8>,
}

impl Blas {
    pub(super) fn new(stream: &Arc<CudaStream>) -> Result<Self, DeviceError> {
        let workspace = stream.alloc_zeros(WORKSPACE_BYTES);
        Ok(Self {
            workspace: workspace.map_err(failed("setting memory aside"))?,
            stream: Arc::clone(stream),
            handle: Handle(result::create_handle().map_err(failed_product)?),
        })
    }

    /// Starts `out = weight input`; it is done when the stream has come to its end.
    ///
    /// # Panics
    /// Where the places are smaller than the sizes say: a mistake in the graph.
    pub(super) fn start(
        &mut self,
        sizes: Sizes,
        weight: &CudaSlice<u32>,
        input: &CudaSlice<u32>,
        out: &mut CudaSlice<f32>,
    ) -> Result<(), DeviceError> {
        let Sizes { m, n, k, .. } = sizes;
        let words = |numbers| sizes.precision.words(numbers);
        assert!(
            words(m * k) <= weight.len() && words(k * n) <= input.len() && m * n <= out.len(),
            "a product larger than its places"
        );
        self.run(sizes, weight, input, out).map_err(failed_product)
    }

    fn run(
        &mut self,
        sizes: Sizes,
        weight: &CudaSlice<u32>,
        input: &CudaSlice<u32>,
        out: &mut CudaSlice<f32>,
    ) -> Result<(), CublasError> {
        let Sizes { m, n, k, .. } = sizes;
        let factors = match sizes.precision {
            Precision::Full => sys::cudaDataType::CUDA_R_32F,
            Precision::Mixed => sys::cudaDataType::CUDA_R_16BF,
        };
        let (rows, columns) = if sizes.is_transposed { (k, m) } else { (m, k) };
        let weight_layout = Layout::new(factors, rows, columns)?;
        let input_layout = Layout::new(factors, k, n)?;
        let out_layout = Layout::new(sys::cudaDataType::CUDA_R_32F, m, n)?;
        let operation = Operation::new(sizes.is_transposed)?;
        let preference = Preference::new()?;
        let stream = &self.stream;
        let (alpha, beta) = (1.0f32, 0.0f32);
        let (weight, _weight_is_read) = weight.device_ptr(stream);
        let (input, _input_is_read) = input.device_ptr(stream);
        let (out, _out_is_written) = out.device_ptr_mut(stream);
        let (workspace, _workspace_is_written) = self.workspace.device_ptr_mut(stream);
        #[expect(unsafe_code, reason = "calls into cuBLASLt")]
        // SAFETY: handle, layouts, operation and preference live until the end of this function; the scales are read
        // by the call itself (they are the processor's, the default). The places on the GPU are borrowed, and large
        // enough for the layouts, whose columns follow one another: `start` has seen to it. All work is of one stream,
        // so it comes after what was copied in, and before what is copied out or freed.
        unsafe {
            let algorithm = result::get_matmul_algo_heuristic(
                self.handle.0,
                operation.0,
                weight_layout.0,
                input_layout.0,
                out_layout.0,
                out_layout.0,
                preference.0,
            )?;
            result::matmul(
                self.handle.0,
                operation.0,
                (&raw const alpha).cast(),
                (&raw const beta).cast(),
                weight as *const c_void,
                weight_layout.0,
                input as *const c_void,
                input_layout.0,
                out as *const c_void,
                out_layout.0,
                out as *mut c_void,
                out_layout.0,
                &raw const algorithm.algo,
                workspace as *mut c_void,
                WORKSPACE_BYTES,
                stream.cu_stream().cast(),
            )
        }
    }
}

struct Handle(sys::cublasLtHandle_t);

#[expect(unsafe_code, reason = "a handle is a pointer")]
// SAFETY: a handle belongs to no thread (cuBLAS, "Thread Safety"), and `Blas` is lent to one at a time.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a call into cuBLASLt")]
        // SAFETY: it was created with this value, and is destroyed once.
        let _ = unsafe { result::destroy_handle(self.0) };
    }
}

/// A matrix whose columns follow one another.
struct Layout(sys::cublasLtMatrixLayout_t);

impl Layout {
    fn new(of: sys::cudaDataType, rows: usize, columns: usize) -> Result<Self, CublasError> {
        result::create_matrix_layout(of, rows as u64, columns as u64, rows as i64).map(Self)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a call into cuBLASLt")]
        // SAFETY: it was created with this value, and is destroyed once.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

/// A product with sums in f32, the left factor transposed or not.
struct Operation(sys::cublasLtMatmulDesc_t);

impl Operation {
    fn new(is_transposed: bool) -> Result<Self, CublasError> {
        // Not the mode that rounds singles to TF32.
        let sums = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let operation = Self(result::create_matmul_desc(
            sums,
            sys::cudaDataType::CUDA_R_32F,
        )?);
        let transpose = i32::from(is_transposed);
        #[expect(unsafe_code, reason = "a call into cuBLASLt")]
        // SAFETY: the attribute is a number of 32 bits, which the call copies.
        unsafe {
            result::set_matmul_desc_attribute(
                operation.0,
                sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA,
                (&raw const transpose).cast(),
                size_of_val(&transpose),
            )?;
        }
        Ok(operation)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a call into cuBLASLt")]
        // SAFETY: it was created with this value, and is destroyed once.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

/// How much memory an algorithm may take.
struct Preference(sys::cublasLtMatmulPreference_t);

impl Preference {
    fn new() -> Result<Self, CublasError> {
        let preference = Self(result::create_matmul_pref()?);
        let most = WORKSPACE_BYTES;
        #[expect(unsafe_code, reason = "a call into cuBLASLt")]
        // SAFETY: the attribute is a number of 64 bits, which the call copies.
        unsafe {
            result::set_matmul_pref_attribute(
                preference.0,
                sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                (&raw const most).cast(),
                size_of_val(&most),
            )?;
        }
        Ok(preference)
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a call into cuBLASLt")]
        // SAFETY: it was created with this value, and is destroyed once.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}
