//! Strings and numbers of JSON, a byte at a time.

/// Where a string is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    pub(super) state: Inside,
    /// Characters so far, and how many there must be.
    pub(super) count: u32,
    pub(super) least: u32,
    pub(super) most: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Inside {
    Opening,
    Plain,
    Escape,
    Hexadecimal(u8),
    /// Bytes that a character still lacks, and the least and the most the next one may be.
    Character {
        left: u8,
        least: u8,
        most: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Digits {
    Start,
    AfterSign,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    Power,
}

impl Digits {
    pub(super) fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::Power
        )
    }

    pub(super) fn step(self, byte: u8, is_whole: bool) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Start, b'-') => Self::AfterSign,
            (Self::Start | Self::AfterSign, b'0') => Self::Zero,
            (Self::Start | Self::AfterSign, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => {
                Self::Whole
            }
            (Self::Zero | Self::Whole, b'.') if !is_whole => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') if !is_whole => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::Power, b'0'..=b'9') => Self::Power,
            _ => return None,
        })
    }
}

impl Part {
    pub(super) fn any(state: Inside) -> Self {
        Self {
            state,
            count: 0,
            least: 0,
            most: u32::MAX,
        }
    }

    fn character(mut self, state: Inside) -> Option<Option<Self>> {
        self.count = self.count.saturating_add(1);
        self.state = state;
        Some(Some(self))
    }

    /// The string after one more byte: nothing where the byte cannot come, and no part once the string is over.
    pub(super) fn step(mut self, byte: u8) -> Option<Option<Self>> {
        let has_room = self.count < self.most;
        match (self.state, byte) {
            (Inside::Opening, b'"') => {
                self.state = Inside::Plain;
                Some(Some(self))
            }
            (Inside::Plain, b'"') => (self.count >= self.least).then_some(None),
            (Inside::Plain, b'\\') if has_room => self.character(Inside::Escape),
            (Inside::Plain, 0x20..=0x7f) if has_room => self.character(Inside::Plain),
            // UTF-8 (RFC 3629, section 4), so that no answer breaks a character.
            (Inside::Plain, 0xc2..=0xf4) if has_room => {
                let (left, least, most) = match byte {
                    0xc2..=0xdf => (1, 0x80, 0xbf),
                    0xe0 => (2, 0xa0, 0xbf),
                    0xed => (2, 0x80, 0x9f),
                    0xe1..=0xef => (2, 0x80, 0xbf),
                    0xf0 => (3, 0x90, 0xbf),
                    0xf4 => (3, 0x80, 0x8f),
                    _ => (3, 0x80, 0xbf),
                };
                self.character(Inside::Character { left, least, most })
            }
            (Inside::Character { left, least, most }, byte) if (least..=most).contains(&byte) => {
                self.state = match left {
                    1 => Inside::Plain,
                    _ => Inside::Character {
                        left: left - 1,
                        least: 0x80,
                        most: 0xbf,
                    },
                };
                Some(Some(self))
            }
            (Inside::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.state = Inside::Plain;
                Some(Some(self))
            }
            (Inside::Escape, b'u') => {
                self.state = Inside::Hexadecimal(4);
                Some(Some(self))
            }
            (Inside::Hexadecimal(left), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.state = match left {
                    1 => Inside::Plain,
                    _ => Inside::Hexadecimal(left - 1),
                };
                Some(Some(self))
            }
            _ => None,
        }
    }
}
