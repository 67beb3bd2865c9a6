//! Matrix products in f32, by the `gemm` crate.

use gemm::Parallelism;

/// A matrix that is looked at: any strides, so transposing and slicing columns cost nothing.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix `[rows, columns]` at the start of `data`.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// As [`Matrix::new`], with `row_stride` numbers from one row to the next.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One number; zero outside, so that edges can be filled up.
    pub fn at(&self, row: usize, column: usize) -> f32 {
        if row >= self.rows || column >= self.columns {
            return 0.0;
        }
        let place = row * self.row_stride + column * self.column_stride;
        self.data.get(place).copied().unwrap_or_default()
    }

    /// True where the numbers of a row lie side by side.
    pub fn has_contiguous_rows(&self) -> bool {
        self.column_stride == 1
    }

    /// The numbers of one row.
    ///
    /// # Panics
    /// Where rows are not contiguous, or there is no such row: a mistake in the graph.
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert!(
            self.has_contiguous_rows() && row < self.rows,
            "there is no such row"
        );
        &self.data[row * self.row_stride..][..self.columns]
    }

    /// Some columns of every row.
    pub fn some_columns(self, columns: std::ops::Range<usize>) -> Self {
        let start = (columns.start * self.column_stride).min(self.data.len());
        Self {
            data: &self.data[start..],
            columns: columns.len(),
            ..self
        }
    }

    /// Rows as columns.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// How the product meets what is in its place already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Replace,
    Add,
}

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// This thread alone; for callers that already share out work.
    One,
    /// All threads of the current pool.
    All,
}

/// `out = scale a b`, or `out += scale a b`; `out` is row-major with `row_stride` from row to row.
///
/// # Panics
/// Where the shapes do not fit one another or their slices: a mistake in the graph, never in a file.
pub fn multiply(
    (out, row_stride): (&mut [f32], usize),
    a: Matrix<'_>,
    b: Matrix<'_>,
    (write, scale): (Write, f32),
    threads: Threads,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions differ");
    assert!(row_stride >= n, "rows overlap");
    let holds =
        |length: usize, rows: usize, columns: usize, row_stride: usize, column_stride: usize| {
            rows == 0
                || columns == 0
                || (rows - 1) * row_stride + (columns - 1) * column_stride < length
        };
    assert!(
        holds(out.len(), m, n, row_stride, 1),
        "the product does not fit its place"
    );
    for side in [&a, &b] {
        let fits = holds(
            side.data.len(),
            side.rows,
            side.columns,
            side.row_stride,
            side.column_stride,
        );
        assert!(fits, "a factor is larger than its data");
    }
    if m == 0 || n == 0 {
        return;
    }
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers; shapes and bounds are asserted above"
    )]
    // SAFETY: every index that gemm reaches, `(rows - 1) row_stride + (columns - 1) column_stride` at most, lies
    // inside its slice as asserted; `out` is borrowed exclusively and its rows do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            row_stride.cast_signed(),
            write == Write::Add,
            a.data.as_ptr(),
            a.column_stride.cast_signed(),
            a.row_stride.cast_signed(),
            b.data.as_ptr(),
            b.column_stride.cast_signed(),
            b.row_stride.cast_signed(),
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Noise;

    #[test]
    fn products_agree_with_the_definition_in_every_orientation() {
        let mut noise = Noise::new(3);
        let (m, n, k) = (7, 5, 11);
        let (a, b) = (noise.samples(m * k, 1.0), noise.samples(k * n, 1.0));
        let start = noise.samples(m * (n + 2), 1.0);
        let at: Vec<f32> = (0..m * k).map(|i| a[(i % m) * k + i / m]).collect();
        for left in [Matrix::new(&a, m, k), Matrix::new(&at, k, m).transposed()] {
            let mut out = start.clone();
            let place = (&mut out[1..], n + 2);
            multiply(
                place,
                left,
                Matrix::new(&b, k, n),
                (Write::Add, 0.5),
                Threads::All,
            );
            for i in 0..m {
                for j in 0..n {
                    let product: f32 = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
                    let place = 1 + i * (n + 2) + j;
                    assert!((out[place] - start[place] - 0.5 * product).abs() < 1e-5);
                }
                if i + 1 < m {
                    let gap = 1 + i * (n + 2) + n;
                    assert_eq!(out[gap], start[gap], "what lies between the rows stays");
                }
            }
        }
    }
}
