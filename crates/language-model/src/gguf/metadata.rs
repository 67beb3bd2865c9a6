//! The key-value part of a GGUF file.

use std::collections::HashMap;

use super::{GgufError, reader::Reader};

const MOST_KEYS: u64 = 10_000;
const MOST_ELEMENTS: u64 = 8_000_000;

/// A value, widened to the largest of its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// u8 to u64, and bool as 0 or 1.
    Unsigned(u64),
    /// i8 to i64.
    Signed(i64),
    /// f32 and f64.
    Float(f64),
    Bool(bool),
    Text(String),
    /// All of one kind; arrays in arrays are not taken.
    Array(Vec<Value>),
}

/// All keys of a file.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    values: HashMap<String, Value>,
}

impl Metadata {
    pub(super) fn read(reader: &mut Reader<'_>, count: u64) -> Result<Self, GgufError> {
        if count > MOST_KEYS {
            return Err(GgufError::TooLarge {
                what: "the number of keys",
                value: count,
            });
        }
        let mut values = HashMap::new();
        for _ in 0..count {
            let key = reader.string()?;
            let kind = reader.u32()?;
            let value = if kind == 9 {
                read_array(reader)?
            } else {
                read_scalar(reader, kind)?
            };
            if values.insert(key.clone(), value).is_some() {
                return Err(GgufError::Twice(key));
            }
        }
        Ok(Self { values })
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A text value.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Bool(_)
            | Value::Array(_) => None,
        }
    }

    /// A whole number that is not negative.
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Unsigned(value) => Some(*value),
            Value::Signed(value) => u64::try_from(*value).ok(),
            Value::Float(_) | Value::Bool(_) | Value::Text(_) | Value::Array(_) => None,
        }
    }

    /// A number with a fraction.
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Float(value) => Some(*value),
            Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Bool(_)
            | Value::Text(_)
            | Value::Array(_) => None,
        }
    }

    /// A yes or no.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(value) => Some(*value),
            Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Array(_) => None,
        }
    }

    /// The elements of an array.
    pub fn array(&self, key: &str) -> Option<&[Value]> {
        match self.get(key)? {
            Value::Array(values) => Some(values),
            Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Bool(_)
            | Value::Text(_) => None,
        }
    }
}

fn read_array(reader: &mut Reader<'_>) -> Result<Value, GgufError> {
    let kind = reader.u32()?;
    let count = reader.u64()?;
    if count > MOST_ELEMENTS {
        return Err(GgufError::TooLarge {
            what: "the length of an array",
            value: count,
        });
    }
    // No element takes less than one byte, so the file's own length bounds what is set aside.
    let mut values = Vec::with_capacity((count as usize).min(reader.remaining()));
    for _ in 0..count {
        values.push(read_scalar(reader, kind)?);
    }
    Ok(Value::Array(values))
}

fn read_scalar(reader: &mut Reader<'_>, kind: u32) -> Result<Value, GgufError> {
    Ok(match kind {
        0 => Value::Unsigned(u64::from(u8::from_le_bytes(reader.array()?))),
        1 => Value::Signed(i64::from(i8::from_le_bytes(reader.array()?))),
        2 => Value::Unsigned(u64::from(u16::from_le_bytes(reader.array()?))),
        3 => Value::Signed(i64::from(i16::from_le_bytes(reader.array()?))),
        4 => Value::Unsigned(u64::from(reader.u32()?)),
        5 => Value::Signed(i64::from(i32::from_le_bytes(reader.array()?))),
        6 => Value::Float(f64::from(f32::from_le_bytes(reader.array()?))),
        7 => Value::Bool(u8::from_le_bytes(reader.array()?) != 0),
        8 => Value::Text(reader.string()?),
        10 => Value::Unsigned(reader.u64()?),
        11 => Value::Signed(i64::from_le_bytes(reader.array()?)),
        12 => Value::Float(f64::from_le_bytes(reader.array()?)),
        kind => return Err(GgufError::UnknownKind(kind)),
    })
}
