//! Documents out of examples, and the part that is held out.

use std::path::PathBuf;

use job_contract::FileFormat;
use language_model::{ChatTemplate, Document, Tokenizer};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{DataError, Example, read};

/// A file to learn from.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: PathBuf,
    /// What the file is called in messages.
    pub name: String,
    pub format: FileFormat,
}

/// A stretch of a document that fits in one sequence.
#[derive(Debug, Clone)]
pub struct TrainingPiece {
    pub document: Document,
    /// Place of its file among the sources.
    pub source: usize,
}

/// Data that is ready to train on.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    pub pieces: Vec<TrainingPiece>,
    pub held_out: Vec<Document>,
    /// Documents, held-out ones included.
    pub documents: u64,
    pub held_out_documents: u64,
    /// Tokens of all documents, once over.
    pub tokens: u64,
    /// Those that carry a loss.
    pub target_tokens: u64,
}

/// Reads, tokenises, holds out and cuts. The same files, seed and settings give the same result.
///
/// `held_out_share` of the documents (at least one where it is above zero), drawn by `seed`, is kept out of training.
///
/// # Errors
/// [`DataError`] with file and line where an example cannot be used, or where too few are left to train on.
pub fn prepare(
    sources: &[Source],
    (tokenizer, template): (&Tokenizer, Option<&ChatTemplate>),
    sequence_length: usize,
    held_out_share: f32,
    seed: u64,
) -> Result<Prepared, DataError> {
    let mut documents = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        read(
            &source.path,
            &source.name,
            source.format,
            |line, example| {
                let document = match &example {
                    Example::Chat(messages) => Document::from_chat(tokenizer, template, messages),
                    Example::Completion { prompt, completion } => {
                        Document::from_completion(tokenizer, prompt, completion)
                    }
                    Example::Text(text) => Document::from_text(tokenizer, text),
                };
                let document = document.map_err(|error| DataError::Line {
                    file: source.name.clone(),
                    line,
                    problem: error.to_string(),
                })?;
                documents.push((place, document));
                Ok(())
            },
        )?;
    }
    let count = documents.len();
    let held_out_count = held_out_count(count, held_out_share);
    if held_out_count >= count {
        return Err(DataError::TooFew { documents: count });
    }
    let mut prepared = Prepared {
        documents: count as u64,
        held_out_documents: held_out_count as u64,
        tokens: documents
            .iter()
            .map(|(_, document)| document.tokens.len() as u64)
            .sum(),
        target_tokens: documents
            .iter()
            .map(|(_, document)| document.targets() as u64)
            .sum(),
        ..Prepared::default()
    };
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut is_held_out = vec![false; count];
    for place in &order[..held_out_count] {
        is_held_out[*place] = true;
    }
    for ((source, document), is_held_out) in documents.into_iter().zip(is_held_out) {
        if is_held_out {
            prepared.held_out.extend(document.pieces(sequence_length));
        } else {
            let pieces = document.pieces(sequence_length);
            prepared
                .pieces
                .extend(pieces.map(|document| TrainingPiece { document, source }));
        }
    }
    if prepared.pieces.is_empty() {
        return Err(DataError::NothingToLearn);
    }
    Ok(prepared)
}

fn held_out_count(documents: usize, share: f32) -> usize {
    if share <= 0.0 {
        return 0;
    }
    ((documents as f64 * f64::from(share)).round() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::held_out_count;

    #[test]
    fn at_least_one_document_is_held_out_where_any_is_asked() {
        assert_eq!(held_out_count(100, 0.0), 0);
        assert_eq!(held_out_count(3, 0.05), 1);
        assert_eq!(held_out_count(300, 0.1), 30);
    }
}
