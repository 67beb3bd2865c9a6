//! What is found, what is not, and that cutting changes nothing.

use personal_data::{Kind, Redactor, find, redact};
use proptest::prelude::*;

#[test]
fn what_has_a_form_is_replaced() {
    for (text, expected) in [
        ("Mail j.jansen+archief@post.example.nl.", "Mail [e-mail]."),
        ("<mailto:a@b.nl>", "<mailto:[e-mail]>"),
        (
            "Rekening NL91 ABNA 0417 1643 00 of NL91ABNA0417164300!",
            "Rekening [IBAN] of [IBAN]!",
        ),
        ("IBAN BE68 5390 0754 7034", "IBAN [IBAN]"),
        ("BSN 111222333, ook 1112.22.333", "BSN [BSN], ook [BSN]"),
        (
            "Bel 06-12345678 of (020) 123 45 67 of +31 20 123 4567.",
            "Bel [tel] of [tel] of [tel].",
        ),
        ("0031612345678", "[tel]"),
    ] {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn what_only_looks_like_it_stays() {
    for text in [
        "NL92ABNA0417164300 heeft een fout cijfer",
        "111222334 is geen burgerservicenummer",
        "000000000",
        "het jaar 2024, 12 mei 2024 om 12.30 uur",
        "1.250.000 euro",
        "wie @ wat, a@b, @iemand",
        "ISBN 978-90-274-3964-2",
        "",
    ] {
        assert_eq!(redact(text), text);
    }
}

#[test]
fn places_are_those_of_the_text() {
    let text = "é a@b.nl en 111222333";
    let found = find(text);
    let told: Vec<(Kind, &str)> = found
        .iter()
        .map(|one| (one.kind, &text[one.range.clone()]))
        .collect();
    assert_eq!(told, [(Kind::Email, "a@b.nl"), (Kind::Bsn, "111222333")]);
}

#[test]
fn an_endless_word_is_not_held_back() {
    let mut redactor = Redactor::default();
    let mut told = 0;
    for _ in 0..1000 {
        told += redactor.push("abcdefgh").len();
    }
    assert!(told >= 8000 - 512, "{told}");
}

/// Texts of what is looked for, of pieces of it and of what stands around it.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("j.jansen@example.nl".to_owned()),
        Just("NL91 ABNA 0417 1643 00".to_owned()),
        Just("111222333".to_owned()),
        Just("06-12345678".to_owned()),
        Just("+31 (0)20 123 4567".to_owned()),
        "[a-zé0-9 @.,+()-]{0,20}",
        "[A-Z0-9 ]{0,12}",
        "[a-z0-9]{0,600}",
        Just(" ".to_owned()),
        Just("\n".to_owned()),
    ];
    proptest::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn in_pieces_it_is_the_same_as_whole(text in text(), cuts in proptest::collection::vec(0usize..2000, 0..12)) {
        let mut places: Vec<usize> = cuts
            .into_iter()
            .filter(|at| text.is_char_boundary(*at) && *at <= text.len())
            .collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let mut redactor = Redactor::default();
        let mut out = String::new();
        for pair in places.windows(2) {
            out.push_str(&redactor.push(&text[pair[0]..pair[1]]));
        }
        out.push_str(&redactor.finish());
        prop_assert_eq!(&out, &redact(&text));
        prop_assert_eq!(redactor.replaced(), find(&text).len());
    }

    #[test]
    fn what_is_planted_is_gone(before in text(), after in text()) {
        for planted in ["j.jansen@example.nl", "NL91 ABNA 0417 1643 00", "111222333", "06-12345678"] {
            let out = redact(&format!("{before}\n{planted}\n{after}"));
            let lines = out.lines().filter(|line| *line == planted).count();
            let own = redact(&before).lines().chain(redact(&after).lines()).filter(|line| *line == planted).count();
            prop_assert_eq!((lines, own), (0, 0), "{}", planted);
        }
    }
}
