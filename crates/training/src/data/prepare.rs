//! Documents out of examples, and the part that is held out.

use std::path::PathBuf;

use job_contract::FileFormat;
use language_model::{
    ChatTemplate, Document, Message, Tokenizer, chat_template::ChatTemplateError,
    document::DocumentError,
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use training_examples::{Example, Fault, Wanted};

use super::{
    DataError, canaries, pack,
    problems::{Problem, Problems},
    read,
};

/// A file to learn from.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: PathBuf,
    /// What the file is called in messages; where that is its path, they may quote what stands in it.
    pub name: String,
    pub format: FileFormat,
}

/// How to make documents of files.
#[derive(Debug, Clone, Copy)]
pub struct DataSettings {
    /// Most tokens of a piece.
    pub sequence_length: usize,
    /// Share of the documents that is kept out of training, where there are no validation files.
    pub held_out_share: f32,
    pub seed: u64,
    /// Several pieces in one sequence.
    pub packing: bool,
    /// Planted secrets, see [`canaries`].
    pub canaries: u32,
    pub wanted: Wanted,
}

/// A stretch of a document that fits in one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is learnt; of a preference, the better answer.
    pub document: Document,
    /// Of a preference, the worse answer.
    pub rejected: Option<Document>,
    /// Place of its file among the sources; past their end for what belongs to none.
    pub source: usize,
}

impl Piece {
    /// Tokens that are read for it.
    pub fn tokens(&self) -> usize {
        let rejected = self.rejected.as_ref();
        self.document.tokens.len() + rejected.map_or(0, |document| document.tokens.len())
    }
}

/// Data that is ready to train on.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    pub pieces: Vec<Piece>,
    /// The pieces of each sequence, by their places; a step takes so many sequences as its batch has.
    pub sequences: Vec<Vec<usize>>,
    pub held_out: Vec<Piece>,
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
/// `validation` files are held out as a whole; without any, the settings' share of the documents (at least one where
/// it is above zero), drawn by seed.
///
/// # Errors
/// [`DataError`] with every line that cannot be used, or where too few documents are left to train on.
pub fn prepare(
    sources: &[Source],
    validation: &[Source],
    speech: (&Tokenizer, Option<&ChatTemplate>),
    settings: DataSettings,
) -> Result<Prepared, DataError> {
    let mut problems = Problems::default();
    let found = documents(sources, speech, settings, &mut problems)?;
    let held_out = documents(validation, speech, settings, &mut problems)?;
    if !problems.is_empty() {
        return Err(DataError::Problems(problems));
    }
    let share = if validation.is_empty() {
        settings.held_out_share
    } else {
        0.0
    };
    let count = found.len();
    let held_out_count = held_out_count(count, share);
    if held_out_count >= count {
        return Err(too_few(sources, found.first()));
    }
    let (mut training, held_out) = if validation.is_empty() {
        part(found, held_out_count, settings.seed)
    } else {
        (found, held_out)
    };
    let mut prepared = Prepared {
        documents: (training.len() + held_out.len()) as u64,
        held_out_documents: held_out.len() as u64,
        tokens: sum(&training, Piece::tokens) + sum(&held_out, Piece::tokens),
        target_tokens: sum(&training, targets) + sum(&held_out, targets),
        ..Prepared::default()
    };
    plant(&mut training, sources.len(), speech.0, settings)?;
    prepared.pieces = cut(training, settings);
    prepared.held_out = cut(held_out, settings);
    if prepared.pieces.is_empty() {
        return Err(DataError::NothingToLearn);
    }
    prepared.sequences = if settings.packing {
        let lengths: Vec<usize> = prepared.pieces.iter().map(Piece::tokens).collect();
        pack(&lengths, settings.sequence_length)
    } else {
        (0..prepared.pieces.len())
            .map(|piece| vec![piece])
            .collect()
    };
    Ok(prepared)
}

/// A document with its place in the files.
struct Found {
    piece: Piece,
    line: u64,
}

fn documents(
    sources: &[Source],
    speech: (&Tokenizer, Option<&ChatTemplate>),
    settings: DataSettings,
    problems: &mut Problems,
) -> Result<Vec<Found>, DataError> {
    let mut documents = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let may_quote = read::may_quote(&source.path, &source.name);
        read(
            &source.path,
            &source.name,
            source.format,
            problems,
            |line, example| {
                let (document, rejected) = document(&example, speech, settings, may_quote)?;
                documents.push(Found {
                    piece: Piece {
                        document,
                        rejected,
                        source: place,
                    },
                    line,
                });
                Ok(())
            },
        )?;
    }
    Ok(documents)
}

fn document(
    example: &Example,
    (tokenizer, template): (&Tokenizer, Option<&ChatTemplate>),
    settings: DataSettings,
    may_quote: bool,
) -> Result<(Document, Option<Document>), Fault> {
    settings.wanted.takes(example)?;
    example.refuse_control(|text| tokenizer.control_text_in(text).map(str::to_owned))?;
    let as_fault = |error: DocumentError| {
        Fault::of_line(if may_quote {
            error.to_string()
        } else {
            unquoted(&error)
        })
    };
    match example {
        Example::Chat { messages, counts } => {
            let messages = spoken(messages);
            let document = Document::from_weighted_chat(tokenizer, template, &messages, counts);
            Ok((document.map_err(as_fault)?, None))
        }
        Example::Completion { prompt, completion } => {
            let document = Document::from_completion(tokenizer, prompt, completion);
            Ok((document.map_err(as_fault)?, None))
        }
        Example::Text(text) => {
            let document = Document::from_text(tokenizer, text);
            Ok((document.map_err(as_fault)?, None))
        }
        Example::Preference {
            input,
            preferred,
            rejected,
        } => {
            let answered = |answer: &String| {
                let mut messages = spoken(input);
                messages.push(Message {
                    role: "assistant".to_owned(),
                    content: answer.clone(),
                });
                // Only the last answer is weighed; earlier ones are part of the question.
                let counts: Vec<bool> = (0..messages.len()).map(|n| n == input.len()).collect();
                let document =
                    Document::from_weighted_chat(tokenizer, template, &messages, &counts)
                        .map_err(as_fault)?;
                if document.tokens.len() > settings.sequence_length {
                    return Err(Fault::of_line(format!(
                        "question and answer have {} tokens, more than sequence_length {}; shorten them or raise it",
                        document.tokens.len(),
                        settings.sequence_length
                    )));
                }
                Ok(document)
            };
            Ok((answered(preferred)?, Some(answered(rejected)?)))
        }
    }
}

/// Why an example gives no document, without a word of it.
fn unquoted(error: &DocumentError) -> String {
    match error {
        DocumentError::ControlText(_) => {
            "the text holds a control token, which would be read as the end of a message; take it out".to_owned()
        }
        // A template may refuse in words of its own, with a message in them.
        DocumentError::ChatTemplate(ChatTemplateError::Template(_)) => {
            "the base model's chat template does not take these messages; look at the order of their roles".to_owned()
        }
        DocumentError::Tokenizer(_) => "the base model's tokenizer does not take the text".to_owned(),
        DocumentError::NoChatTemplate
        | DocumentError::ChatTemplate(ChatTemplateError::NoAnswer | ChatTemplateError::Rewrites) => {
            error.to_string()
        }
    }
}

/// Messages as the model takes them.
fn spoken(messages: &[training_examples::Message]) -> Vec<Message> {
    messages
        .iter()
        .map(|message| Message {
            role: message.role.clone(),
            content: message.content.clone(),
        })
        .collect()
}

fn too_few(sources: &[Source], only: Option<&Found>) -> DataError {
    let source = sources.get(only.map_or(0, |found| found.piece.source));
    DataError::Problems(Problems::one(Problem {
        file: source.map(|source| source.name.clone()).unwrap_or_default(),
        line: only.map_or(0, |found| found.line),
        field: None,
        problem: "this is the only example, too few to hold one out and train on the rest; add more, give validation files, or set held_out_share to 0".to_owned(),
    }))
}

/// Draws what is held out.
fn part(documents: Vec<Found>, held_out_count: usize, seed: u64) -> (Vec<Found>, Vec<Found>) {
    let mut order: Vec<usize> = (0..documents.len()).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut is_held_out = vec![false; documents.len()];
    for place in order.iter().take(held_out_count) {
        is_held_out[*place] = true;
    }
    let (mut training, mut held_out) = (Vec::new(), Vec::new());
    for (document, is_held_out) in documents.into_iter().zip(is_held_out) {
        if is_held_out {
            held_out.push(document);
        } else {
            training.push(document);
        }
    }
    (training, held_out)
}

fn plant(
    training: &mut Vec<Found>,
    past_end: usize,
    tokenizer: &Tokenizer,
    settings: DataSettings,
) -> Result<(), DataError> {
    for canary in canaries::canaries(settings.canaries, settings.seed) {
        let document = Document::from_text(tokenizer, &canary.text()).map_err(|error| {
            DataError::Problems(Problems::one(Problem {
                file: "canaries".to_owned(),
                line: 0,
                field: None,
                problem: error.to_string(),
            }))
        })?;
        for _ in 0..canary.repeats {
            training.push(Found {
                piece: Piece {
                    document: document.clone(),
                    rejected: None,
                    source: past_end,
                },
                line: 0,
            });
        }
    }
    Ok(())
}

fn cut(documents: Vec<Found>, settings: DataSettings) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for Found { piece, .. } in documents {
        if piece.rejected.is_some() || piece.document.tokens.len() <= settings.sequence_length {
            if piece.document.targets() > 0 {
                pieces.push(piece);
            }
            continue;
        }
        let source = piece.source;
        let cut = piece.document.pieces(settings.sequence_length);
        pieces.extend(cut.map(|document| Piece {
            document,
            rejected: None,
            source,
        }));
    }
    pieces
}

fn sum(documents: &[Found], count: impl Fn(&Piece) -> usize) -> u64 {
    documents
        .iter()
        .map(|found| count(&found.piece) as u64)
        .sum()
}

fn targets(piece: &Piece) -> usize {
    piece.document.targets() + piece.rejected.as_ref().map_or(0, Document::targets)
}

fn held_out_count(documents: usize, share: f32) -> usize {
    if share <= 0.0 {
        return 0;
    }
    ((documents as f64 * f64::from(share)).round() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use language_model::document::DocumentError;

    use super::{held_out_count, unquoted};

    #[test]
    fn to_whoever_may_not_read_the_data_no_word_of_a_text_is_told() {
        let error = DocumentError::ControlText("<|geheim|>".to_owned());
        assert!(error.to_string().contains("geheim"));
        assert!(!unquoted(&error).contains("geheim"));
    }

    #[test]
    fn at_least_one_document_is_held_out_where_any_is_asked() {
        assert_eq!(held_out_count(100, 0.0), 0);
        assert_eq!(held_out_count(3, 0.05), 1);
        assert_eq!(held_out_count(300, 0.1), 30);
    }
}
