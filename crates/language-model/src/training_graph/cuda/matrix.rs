//! A matrix that lies on the GPU.

use std::sync::Arc;

use cudarc::driver::CudaSlice;
use rayon::prelude::*;

use super::{DeviceError, Gpu, Precision, STAGED_WORDS, Work, blas::Sizes, failed};
use crate::{matrix::Write, quantised::to_bf16, training_graph::device::padded};

/// A matrix `[outputs, inputs]` on the GPU, both filled up with zeros to a multiple of eight.
#[derive(Debug)]
pub struct OnDevice {
    gpu: Arc<Gpu>,
    words: CudaSlice<u32>,
    outputs: usize,
    inputs: usize,
    precision: Precision,
}

impl OnDevice {
    pub(in crate::training_graph) fn new(
        gpu: &Arc<Gpu>,
        weight: &[f32],
        (outputs, inputs): (usize, usize),
        precision: Precision,
    ) -> Result<Self, DeviceError> {
        if padded(outputs).max(padded(inputs)) > STAGED_WORDS {
            return Err(DeviceError::TooWide { outputs, inputs });
        }
        let row = precision.words(padded(inputs));
        let mut words = vec![0; padded(outputs) * row];
        fill(&mut words, row, weight, inputs, precision);
        Ok(Self {
            words: gpu.keep(&words)?,
            gpu: Arc::clone(gpu),
            outputs,
            inputs,
            precision,
        })
    }

    pub(in crate::training_graph) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(in crate::training_graph) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `out (=|+=) x Wᵀ` for `x` `[rows, inputs]` and `out` `[rows, outputs]`.
    ///
    /// # Errors
    /// The first failure of the GPU, now and at every later product; `out` is left as it was, or half written.
    pub fn forward(&self, x: &[f32], out: &mut [f32], write: Write) -> Result<(), DeviceError> {
        self.multiply(true, (x, self.inputs), (out, self.outputs), write)
    }

    /// `out (=|+=) dy W` for `dy` `[rows, outputs]` and `out` `[rows, inputs]`.
    ///
    /// # Errors
    /// As [`OnDevice::forward`].
    pub fn backward(&self, dy: &[f32], out: &mut [f32], write: Write) -> Result<(), DeviceError> {
        self.multiply(false, (dy, self.outputs), (out, self.inputs), write)
    }

    /// As many rows at a time as there is room for on their way.
    fn multiply(
        &self,
        is_forward: bool,
        (rows, width): (&[f32], usize),
        (out, out_width): (&mut [f32], usize),
        write: Write,
    ) -> Result<(), DeviceError> {
        let at_once = STAGED_WORDS / padded(width).max(padded(out_width)).max(1);
        let parts = rows.chunks((at_once * width).max(1));
        for (rows, out) in parts.zip(out.chunks_mut((at_once * out_width).max(1))) {
            self.gpu.with_work(|work| {
                let sizes = Sizes {
                    m: padded(out_width),
                    n: rows.len() / width,
                    k: padded(width),
                    // By columns, `[outputs, inputs]` row by row is its own transpose.
                    is_transposed: is_forward,
                    precision: self.precision,
                };
                self.multiply_some(sizes, (rows, width), (out, out_width), write, work)
            })?;
        }
        Ok(())
    }

    fn multiply_some(
        &self,
        sizes: Sizes,
        (rows, width): (&[f32], usize),
        (out, out_width): (&mut [f32], usize),
        write: Write,
        work: &mut Work,
    ) -> Result<(), DeviceError> {
        let Work {
            blas,
            sent,
            received,
            input,
            output,
        } = work;
        let stream = &self.gpu.stream;
        let copying_in = failed("copying rows in");
        let row = self.precision.words(sizes.k);
        let sent = &mut sent.as_mut_slice().map_err(&copying_in)?[..sizes.n * row];
        fill(sent, row, rows, width, self.precision);
        stream.memcpy_htod(&*sent, input).map_err(&copying_in)?;
        blas.start(sizes, &self.words, input, output)?;
        let copying_out = failed("copying a product out");
        let numbers = sizes.n * sizes.m;
        // As many numbers are copied as there is place for.
        let received = &mut received.as_mut_slice().map_err(&copying_out)?[..numbers];
        stream
            .memcpy_dtoh(&output.slice(..numbers), received)
            .map_err(&copying_out)?;
        stream.synchronize().map_err(&copying_out)?;
        out.par_chunks_mut(out_width)
            .zip(received.par_chunks(sizes.m))
            .for_each(|(out, found)| match write {
                Write::Replace => out.copy_from_slice(&found[..out_width]),
                Write::Add => out
                    .iter_mut()
                    .zip(found)
                    .for_each(|(out, found)| *out += found),
            });
        Ok(())
    }
}

impl Precision {
    /// Words of 32 bits that so many numbers take, an even count of them.
    pub(super) fn words(self, numbers: usize) -> usize {
        match self {
            Self::Full => numbers,
            Self::Mixed => numbers / 2,
        }
    }
}

/// Writes rows of `width` numbers as the GPU reads them, `row` words each, zeros at their end.
fn fill(words: &mut [u32], row: usize, rows: &[f32], width: usize, precision: Precision) {
    words
        .par_chunks_mut(row)
        .zip(rows.par_chunks(width))
        .for_each(|(words, numbers)| {
            let used = match precision {
                Precision::Full => {
                    words
                        .iter_mut()
                        .zip(numbers)
                        .for_each(|(word, number)| *word = number.to_bits());
                    numbers.len()
                }
                Precision::Mixed => {
                    for (word, pair) in words.iter_mut().zip(numbers.chunks(2)) {
                        let half = |place: usize| {
                            u32::from(to_bf16(pair.get(place).copied().unwrap_or(0.0)))
                        };
                        // The first of two is the lower half: GPUs and their hosts are little-endian.
                        *word = half(0) | half(1) << 16;
                    }
                    numbers.len().div_ceil(2)
                }
            };
            words[used..].fill(0);
        });
}
