//! Base models that cannot be trained on are refused, with what to do instead.

use std::{fs, process::Command};

use language_model::synthetic::Synthetic;

/// A text as GGUF holds it: its length, then its bytes.
fn held(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Puts one text in the place of another, which is there once.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (from, to) = (held(from), held(to));
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter_map(|(place, window)| (window == from).then_some(place))
        .collect();
    assert_eq!(places.len(), 1, "{from:?} is there once");
    let (before, rest) = bytes.split_at(places[0]);
    [before, &to[..], &rest[from.len()..]].concat()
}

#[test]
fn a_gguf_file_with_another_kind_of_tokenizer_is_refused_with_what_to_take() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    Synthetic::default().write_gguf(&path).unwrap();
    // As files of Llama 1 and 2 call their SentencePiece. The name gets shorter, so that the weights stay in place.
    let bytes = fs::read(&path).unwrap();
    let bytes = replaced(&bytes, "gpt2", "llama");
    fs::write(&path, replaced(&bytes, "synthetic", "syntheti")).unwrap();
    fs::write(folder.path().join("tekst.txt"), "een\n\ntwee\n\ndrie\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_faculty-training"))
        .current_dir(folder.path())
        .env_clear()
        .args(["finetune", "--base", "tiny.gguf", "--data", "tekst.txt"])
        .args(["--out", "out"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    for words in ["\"llama\"", "model hub", "tokenizer.json"] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
}
