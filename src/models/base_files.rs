//! The files of a base model on this machine: one GGUF file, or a folder in the model hub's layout.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use job_contract::{LARGEST_MODEL_FILE, MOST_MODEL_FILES};
use sha2::{Digest as _, Sha256};

use crate::objects::Expected;

const CHAT_TEMPLATE: &str = "chat_template.jinja";
const INDEX: &str = "model.safetensors.index.json";

/// A file of a base model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseFile {
    /// Its name beside the others.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size_bytes: i64,
    /// In hexadecimal.
    pub sha256: String,
}

impl BaseFile {
    /// As it is to be when it goes to the store.
    pub(super) fn expected(&self) -> Expected<'_> {
        Expected {
            path: &self.path,
            size_bytes: self.size_bytes.unsigned_abs(),
            sha256: &self.sha256,
        }
    }
}

/// Why something is no base model.
#[derive(Debug, thiserror::Error)]
pub enum BaseFilesError {
    #[error("{path}: {source}")]
    Io {
        /// What could not be read.
        path: String,
        source: io::Error,
    },
    #[error("{0} is no .gguf file and no folder with a model in the model hub's layout")]
    NotAModel(String),
    #[error("the folder has no {0}, which a model in the model hub's layout needs")]
    Missing(String),
    #[error("{0} is empty")]
    Empty(String),
    #[error("the folder holds an adapter ({0}): name the folder of its base model")]
    Adapter(&'static str),
    #[error(
        "{0} is larger than 64 GiB, the most that serving programs take: spread the weights over several files"
    )]
    TooLarge(String),
    #[error("the file name {0:?} is not usable: letters, digits, dots, dashes and underscores are")]
    Name(String),
    #[error("the folder has more than {MOST_MODEL_FILES} files of a model")]
    TooMany,
    #[error("{INDEX} cannot be understood: {0}")]
    Index(String),
}

/// Finds the files of the model at `path`, by name, and hashes them. Other files of a folder are left alone.
///
/// # Errors
/// [`BaseFilesError`], naming what is missing.
pub fn base_files(path: &Path) -> Result<Vec<BaseFile>, BaseFilesError> {
    let found = if path.is_dir() {
        in_folder(path)?
    } else {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| name.to_lowercase().ends_with(".gguf"));
        let name = name.ok_or_else(|| BaseFilesError::NotAModel(path.display().to_string()))?;
        vec![(plain(name)?, path.to_owned())]
    };
    found.into_iter().map(hashed).collect()
}

fn in_folder(folder: &Path) -> Result<Vec<(String, PathBuf)>, BaseFilesError> {
    let unread = |source| BaseFilesError::Io {
        path: folder.display().to_string(),
        source,
    };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_of_model =
            name.ends_with(".safetensors") || name.ends_with(".json") || name == CHAT_TEMPLATE;
        // Downloads of the hub are links to files elsewhere.
        if is_of_model && entry.path().is_file() {
            names.insert(plain(&name)?);
        }
    }
    for adapter in ["adapter_config.json", "adapter_model.safetensors"] {
        if names.contains(adapter) {
            return Err(BaseFilesError::Adapter(adapter));
        }
    }
    // Other weights beside them are a second copy, which some programs would open instead.
    let weights = if names.contains(INDEX) {
        indexed(&folder.join(INDEX))?
    } else {
        BTreeSet::from(["model.safetensors".to_owned()])
    };
    names.retain(|name| !name.ends_with(".safetensors") || weights.contains(name));
    if names.len() > MOST_MODEL_FILES {
        return Err(BaseFilesError::TooMany);
    }
    let mut needed = BTreeSet::from(["config.json".to_owned(), "tokenizer.json".to_owned()]);
    needed.extend(weights);
    if let Some(missing) = needed.difference(&names).next() {
        return Err(BaseFilesError::Missing(missing.clone()));
    }
    let files = names.into_iter().map(|name| {
        let path = folder.join(&name);
        (name, path)
    });
    Ok(files.collect())
}

/// The files over which an index spreads the weights.
fn indexed(index: &Path) -> Result<BTreeSet<String>, BaseFilesError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let text = fs::read(index).map_err(|source| BaseFilesError::Io {
        path: index.display().to_string(),
        source,
    })?;
    let index: Index =
        serde_json::from_slice(&text).map_err(|error| BaseFilesError::Index(error.to_string()))?;
    Ok(index.weight_map.into_values().collect())
}

fn plain(name: &str) -> Result<String, BaseFilesError> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.bytes().all(is_fine) && !name.starts_with('.') && name.len() <= 100 {
        Ok(name.to_owned())
    } else {
        Err(BaseFilesError::Name(name.to_owned()))
    }
}

fn hashed((name, path): (String, PathBuf)) -> Result<BaseFile, BaseFilesError> {
    let read = || -> io::Result<(i64, String)> {
        let mut file = File::open(&path)?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok((size, data_encoding::HEXLOWER.encode(&hash.finalize())));
            }
            hash.update(&buffer[..count]);
            size += i64::try_from(count).unwrap_or(i64::MAX);
        }
    };
    let (size_bytes, sha256) = read().map_err(|source| BaseFilesError::Io {
        path: path.display().to_string(),
        source,
    })?;
    if size_bytes == 0 {
        return Err(BaseFilesError::Empty(name));
    }
    if size_bytes.unsigned_abs() > LARGEST_MODEL_FILE {
        return Err(BaseFilesError::TooLarge(name));
    }
    Ok(BaseFile {
        name,
        path,
        size_bytes,
        sha256,
    })
}
