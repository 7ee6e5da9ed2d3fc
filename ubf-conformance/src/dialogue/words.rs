//! Lines of words, as requests and answers are written.

/// Takes words off a line, one after the other.
pub(super) struct Words<'a> {
    line: &'a str,
    words: std::str::Split<'a, char>,
}

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, words: line.split(' ') }
    }

    pub(super) fn word(&mut self) -> Result<&'a str, String> {
        let word = self.words.next().filter(|word| !word.is_empty());
        word.ok_or_else(|| format!("`{}` has too few words", self.line))
    }

    pub(super) fn text(&mut self) -> Result<String, String> {
        self.word().map(str::to_owned)
    }

    /// A word, or `-` for none.
    pub(super) fn option(&mut self) -> Result<Option<String>, String> {
        Ok(Some(self.text()?).filter(|word| word != "-"))
    }

    /// A word that need not be there, or `-` for none.
    pub(super) fn more(&mut self) -> Option<String> {
        self.words.next().filter(|word| *word != "-").map(str::to_owned)
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self) -> Result<N, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("`{word}` is no number, in `{}`", self.line))
    }

    /// Hexadecimal, or `-` for none.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, String> {
        match self.word()? {
            "-" => Ok(Vec::new()),
            word => hex::decode(word)
                .map_err(|_| format!("`{word}` is not hexadecimal, in `{}`", self.line)),
        }
    }

    /// Which of two words it is: true for the first one.
    pub(super) fn either(&mut self, yes: &str, no: &str) -> Result<bool, String> {
        match self.word()? {
            word if word == yes => Ok(true),
            word if word == no => Ok(false),
            word => Err(format!("`{word}` is neither `{yes}` nor `{no}`")),
        }
    }

    pub(super) fn end(mut self) -> Result<(), String> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(format!("`{word}` is too much, in `{}`", self.line)),
        }
    }
}

/// Hexadecimal, or `-` for none.
pub(super) fn written(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { hex::encode(bytes) }
}
