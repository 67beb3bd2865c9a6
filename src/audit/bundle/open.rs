//! The files of a bundle, by name.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
};

use zip::ZipArchive;

/// What lies in a bundle; files that cannot be unpacked are named with the reason.
pub(super) struct Files {
    pub(super) whole: BTreeMap<String, Vec<u8>>,
    pub(super) broken: Vec<(String, String)>,
}

/// Unpacks a bundle into memory.
pub(super) fn open(file: impl Read + Seek) -> Result<Files, zip::result::ZipError> {
    let mut archive = ZipArchive::new(file)?;
    let (mut whole, mut broken) = (BTreeMap::new(), Vec::new());
    for at in 0..archive.len() {
        let known = archive
            .name_for_index(at)
            .and_then(|name| Some(name.ok()?.into_owned()));
        let name = known.unwrap_or_else(|| format!("entry {at}"));
        let mut bytes = Vec::new();
        let read = archive
            .by_index(at)
            .map_err(|e| e.to_string())
            .and_then(|mut file| file.read_to_end(&mut bytes).map_err(|e| e.to_string()));
        match read {
            Ok(_) => {
                if whole.insert(name.clone(), bytes).is_some() {
                    broken.push((name, "it is there twice".into()));
                }
            }
            Err(problem) => broken.push((name, problem)),
        }
    }
    Ok(Files { whole, broken })
}
