//! The sizes of a base model, as its files state them: `config.json` of a folder, the head of a GGUF file.
//!
//! Only what a portal has to know before anything is started. The programs that train and serve read the files with
//! `language_model`, which knows more and refuses more.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::base_files::BaseFile;

/// The longest `config.json` that is read.
const MOST_CONFIG_BYTES: u64 = 1 << 20;
/// The longest head of a GGUF file: a vocabulary with its merges, and the list of tensors.
const MOST_HEAD_BYTES: u64 = 512 << 20;
const MOST_KEYS: u64 = 10_000;
const MOST_TENSORS: u64 = 100_000;
const MOST_NAME_BYTES: u64 = 4096;

/// The sizes of a model of the Llama family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseShape {
    /// Rows of the table of words.
    pub vocabulary: u64,
    /// Width of the stream.
    pub width: u64,
    /// Width inside the feed-forward part.
    pub inner_width: u64,
    pub layers: u64,
    pub heads: u64,
    pub key_value_heads: u64,
    /// Width of one head.
    pub head_width: u64,
    /// The table of words is used for output as well.
    pub is_tied: bool,
}

impl BaseShape {
    /// The sizes of the model that these files are; none where they do not say, or where it is of another family.
    pub(super) fn of(files: &[BaseFile]) -> Option<Self> {
        let shape = match files {
            [file] => of_gguf(&file.path),
            files => {
                let config = files.iter().find(|file| file.name == "config.json")?;
                of_config(&config.path)
            }
        };
        shape.ok().flatten().filter(Self::is_plausible)
    }

    /// Within what any known model has, so that sums over it stay within their type.
    fn is_plausible(&self) -> bool {
        [
            (self.vocabulary, 1 << 21),
            (self.width, 1 << 16),
            (self.inner_width, 1 << 18),
            (self.layers, 512),
            (self.heads, 512),
            (self.key_value_heads, self.heads),
            (self.head_width, 1024),
        ]
        .into_iter()
        .all(|(size, most)| (1..=most).contains(&size))
    }
}

/// What of a `config.json` says how large the model is.
#[derive(Deserialize)]
struct HubConfig {
    model_type: String,
    vocab_size: u64,
    hidden_size: u64,
    intermediate_size: u64,
    num_hidden_layers: u64,
    num_attention_heads: u64,
    num_key_value_heads: Option<u64>,
    head_dim: Option<u64>,
    #[serde(default)]
    tie_word_embeddings: bool,
}

fn of_config(path: &Path) -> io::Result<Option<BaseShape>> {
    let file = BufReader::new(File::open(path)?.take(MOST_CONFIG_BYTES));
    let config: HubConfig = serde_json::from_reader(file)?;
    if config.model_type != "llama" {
        return Ok(None);
    }
    let heads = config.num_attention_heads;
    Ok(Some(BaseShape {
        vocabulary: config.vocab_size,
        width: config.hidden_size,
        inner_width: config.intermediate_size,
        layers: config.num_hidden_layers,
        heads,
        key_value_heads: config.num_key_value_heads.unwrap_or(heads),
        head_width: config
            .head_dim
            .unwrap_or_else(|| config.hidden_size.checked_div(heads).unwrap_or(0)),
        is_tied: config.tie_word_embeddings,
    }))
}

fn of_gguf(path: &Path) -> io::Result<Option<BaseShape>> {
    let file = File::open(path)?.take(MOST_HEAD_BYTES);
    let mut head = Head(BufReader::new(file));
    if head.bytes::<4>()? != *b"GGUF" || !(2..=3).contains(&head.u32()?) {
        return Ok(None);
    }
    let (tensors, keys) = (head.u64()?, head.u64()?);
    if tensors > MOST_TENSORS || keys > MOST_KEYS {
        return Ok(None);
    }
    let mut numbers = HashMap::new();
    let mut is_llama = false;
    for _ in 0..keys {
        let key = head.text()?;
        match head.value()? {
            Value::Text(text) if key == "general.architecture" => is_llama = text == "llama",
            Value::Number(number) => {
                numbers.insert(key, number);
            }
            Value::Text(_) | Value::Other => {}
        }
    }
    let number = |key: &str| numbers.get(&format!("llama.{key}")).copied();
    if !is_llama || number("expert_count").unwrap_or(0) > 0 {
        return Ok(None);
    }
    let (mut vocabulary, mut is_tied) = (0, true);
    for _ in 0..tensors {
        let (name, rows) = head.tensor()?;
        match name.as_str() {
            "token_embd.weight" => vocabulary = rows,
            "output.weight" => is_tied = false,
            _ => {}
        }
    }
    let size = |key: &str| number(key).unwrap_or(0);
    let (width, heads) = (size("embedding_length"), size("attention.head_count"));
    Ok(Some(BaseShape {
        vocabulary,
        width,
        inner_width: size("feed_forward_length"),
        layers: size("block_count"),
        heads,
        key_value_heads: number("attention.head_count_kv").unwrap_or(heads),
        head_width: number("attention.key_length")
            .unwrap_or_else(|| width.checked_div(heads).unwrap_or(0)),
        is_tied,
    }))
}

/// A value of a GGUF file, as far as it matters here.
enum Value {
    /// A whole number that is not negative.
    Number(u64),
    Text(String),
    Other,
}

/// The head of a GGUF file, read from its start (ggml's `docs/gguf.md`).
struct Head<R>(R);

impl<R: Read> Head<R> {
    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.0.by_ref().take(length), &mut io::sink())?;
        if skipped == length {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// A name or a short text; of a long one nothing is wanted here, and it comes out empty.
    fn text(&mut self) -> io::Result<String> {
        let length = self.u64()?;
        if length > MOST_NAME_BYTES {
            self.skip(length)?;
            return Ok(String::new());
        }
        let mut text = String::new();
        let read = self.0.by_ref().take(length).read_to_string(&mut text)?;
        if read as u64 == length {
            Ok(text)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn value(&mut self) -> io::Result<Value> {
        let kind = self.u32()?;
        Ok(match kind {
            0 => Value::Number(u64::from(u8::from_le_bytes(self.bytes()?))),
            2 => Value::Number(u64::from(u16::from_le_bytes(self.bytes()?))),
            4 => Value::Number(u64::from(self.u32()?)),
            5 => number(i64::from(i32::from_le_bytes(self.bytes()?))),
            8 => Value::Text(self.text()?),
            9 => {
                self.skip_array()?;
                Value::Other
            }
            10 => Value::Number(self.u64()?),
            11 => number(i64::from_le_bytes(self.bytes()?)),
            kind => {
                self.skip(width_of(kind)?)?;
                Value::Other
            }
        })
    }

    fn skip_array(&mut self) -> io::Result<()> {
        let (kind, count) = (self.u32()?, self.u64()?);
        if kind == 8 {
            for _ in 0..count {
                let length = self.u64()?;
                self.skip(length)?;
            }
            return Ok(());
        }
        let length = width_of(kind)?.checked_mul(count);
        self.skip(length.ok_or(io::ErrorKind::InvalidData)?)
    }

    /// The name of a tensor, and its rows: columns stand first, and a vector is one row.
    fn tensor(&mut self) -> io::Result<(String, u64)> {
        let name = self.text()?;
        let mut rows = 1;
        for axis in 0..self.u32()? {
            let length = self.u64()?;
            if axis == 1 {
                rows = length;
            }
        }
        // The kind of its numbers, and where they are.
        self.skip(4 + 8)?;
        Ok((name, rows))
    }
}

fn number(value: i64) -> Value {
    u64::try_from(value).map_or(Value::Other, Value::Number)
}

/// Bytes of a value of a kind that is always as long.
fn width_of(kind: u32) -> io::Result<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use language_model::{ModelFile, synthetic::Synthetic};

    use super::*;

    fn file(path: PathBuf) -> BaseFile {
        BaseFile {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            path,
            size_bytes: 1,
            sha256: String::new(),
        }
    }

    #[test]
    fn a_gguf_file_says_what_the_trainer_reads_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.gguf");
        let model = Synthetic {
            hidden_size: 96,
            intermediate_size: 160,
            layers: 3,
            heads: 6,
            kv_heads: 3,
            ..Synthetic::default()
        };
        model.write_gguf(&path).unwrap();
        let config = ModelFile::open(&path).unwrap().config;
        assert_eq!(
            BaseShape::of(&[file(path.clone())]),
            Some(BaseShape {
                vocabulary: config.vocab_size as u64,
                width: 96,
                inner_width: 160,
                layers: 3,
                heads: 6,
                key_value_heads: 3,
                head_width: 16,
                is_tied: config.is_embedding_tied,
            })
        );
        // What ends too early, or is something else, is of no known size.
        let whole = fs::read(&path).unwrap();
        for part in [whole[..200].to_vec(), b"GGML".to_vec(), Vec::new()] {
            fs::write(&path, part).unwrap();
            assert_eq!(BaseShape::of(&[file(path.clone())]), None);
        }
        // Lengths beyond all bounds.
        let mut altered = whole.clone();
        altered[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        fs::write(&path, altered).unwrap();
        assert_eq!(BaseShape::of(&[file(path.clone())]), None);
    }

    #[test]
    fn a_folder_says_it_in_its_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let shape = |config: serde_json::Value| {
            fs::write(&path, config.to_string()).unwrap();
            BaseShape::of(&[
                file(path.clone()),
                file(folder.path().join("model.safetensors")),
            ])
        };
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536,
            "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
            "tie_word_embeddings": true, "rms_norm_eps": 1e-5,
        });
        let known = shape(config.clone()).unwrap();
        assert_eq!((known.layers, known.head_width), (30, 64));
        assert!(known.is_tied);
        for (field, value) in [
            ("model_type", serde_json::json!("gpt2")),
            ("hidden_size", serde_json::json!(u64::MAX)),
            ("num_hidden_layers", serde_json::json!(0)),
            ("vocab_size", serde_json::json!("many")),
        ] {
            let mut other = config.clone();
            other[field] = value;
            assert_eq!(shape(other), None, "{field}");
        }
    }
}
