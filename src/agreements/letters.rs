//! From letters at places to words and lines. A PDF says where each letter stands, and often not where a word ends.

use pdf_extract::{MediaBox, OutputDev, OutputError, Transform};

/// Farther apart than this part of the letters' size, along the line, and there is a space between them.
const SPACE: f64 = 0.15;
/// Farther apart than this across the line, and it is another line; less is a footnote's number.
const LINE: f64 = 0.5;
/// Where a font does not say how wide a letter is: wider than nearly all are.
const UNKNOWN_WIDTH: f64 = 0.75;

/// A letter on the page.
#[derive(Debug, Clone, Copy)]
struct Placed {
    x: f64,
    y: f64,
    /// The direction of the line, of length 1.
    along: (f64, f64),
    /// The size of the letters, in the unit of `x` and `y`.
    size: f64,
    /// How far the next letter is to begin, as a part of `size`; 0 where the font does not say.
    width: f64,
}

/// Collects the text of a page.
#[derive(Debug, Default)]
pub(super) struct Letters {
    text: String,
    last: Option<Placed>,
}

impl Letters {
    /// What was collected.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, placed: Placed, letter: &str) {
        if let Some(last) = self.last {
            let (dx, dy) = (placed.x - last.x, placed.y - last.y);
            let (cos, sin) = last.along;
            let (forward, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let size = last.size.max(placed.size);
            let width = if last.width > 0.0 {
                last.width
            } else {
                UNKNOWN_WIDTH
            };
            let gap = forward - width * last.size;
            // Back to the left on the same line: printed in another order, so another run of text.
            if across.abs() > LINE * size || forward < -size {
                self.text.push('\n');
            } else if gap > SPACE * size {
                self.text.push(' ');
            }
        }
        self.text.push_str(letter);
        self.last = Some(placed);
    }
}

impl OutputDev for Letters {
    fn begin_page(
        &mut self,
        _: u32,
        _: &MediaBox,
        _: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(
        &mut self,
        transform: &Transform,
        width: f64,
        _: f64,
        font_size: f64,
        letter: &str,
    ) -> Result<(), OutputError> {
        let scale = transform.m11.hypot(transform.m12);
        if scale > 0.0 {
            let placed = Placed {
                x: transform.m31,
                y: transform.m32,
                along: (transform.m11 / scale, transform.m12 / scale),
                size: (font_size * scale).abs(),
                width,
            };
            self.push(placed, letter);
        }
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters of size 10 at these places, each 5 wide unless the font does not say.
    fn set(letters: &[(&str, f64, f64)], width: f64, along: (f64, f64)) -> String {
        let mut page = Letters::default();
        for (letter, x, y) in letters {
            let placed = Placed {
                x: *x,
                y: *y,
                along,
                size: 10.0,
                width,
            };
            page.push(placed, letter);
        }
        page.into_text()
    }

    #[test]
    fn a_gap_is_a_space_and_a_step_down_is_a_line() {
        let letters = [
            ("a", 0.0, 100.0),
            ("b", 5.0, 100.0),
            ("c", 13.0, 100.0),
            ("2", 18.0, 103.0),
            ("d", 0.0, 86.0),
        ];
        assert_eq!(set(&letters, 0.5, (1.0, 0.0)), "ab c2\nd");
    }

    #[test]
    fn numbers_stay_whole_where_the_font_says_no_width() {
        let letters = [
            ("2", 0.0, 0.0),
            ("0", 6.4, 0.0),
            ("2", 12.8, 0.0),
            ("6", 19.2, 0.0),
            ("x", 30.0, 0.0),
        ];
        assert_eq!(set(&letters, 0.0, (1.0, 0.0)), "2026 x");
    }

    #[test]
    fn a_line_may_run_upwards() {
        let letters = [("a", 50.0, 0.0), ("b", 50.0, 5.0), ("c", 62.0, 0.0)];
        assert_eq!(set(&letters, 0.5, (0.0, 1.0)), "ab\nc");
    }
}
