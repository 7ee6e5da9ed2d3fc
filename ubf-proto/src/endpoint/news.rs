//! What all connections are to be told, one after the other.

use alloc::collections::VecDeque;

use super::{ConnectionKey, Origin};

/// Something that concerns all connections. What exactly it is, is looked up for each of them when
/// its turn comes: so the latest word is said, and nothing is kept for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Offer,
    /// To the connections of one peer.
    OfferTo(Origin),
    Config,
    Undrain,
    NextIp,
    Drain,
    Close,
    Cut,
}

/// News that are being told. There is each at most once, and no more of peers' own than
/// there are peers.
#[derive(Debug, Default)]
pub(super) struct Bulletin {
    news: VecDeque<News>,
    /// Who was told the first of them last.
    told: Option<ConnectionKey>,
    count: usize,
}

impl Bulletin {
    /// Tells it to all, after what is being told. Who was told the same before is told again.
    pub(super) fn add(&mut self, news: News) {
        if self.news.front() == Some(&news) {
            self.restart();
        }
        self.news.retain(|known| *known != news);
        self.news.push_back(news);
    }

    /// What is told now, to whom it was told last, and to how many.
    pub(super) fn current(&self) -> Option<(News, Option<ConnectionKey>, usize)> {
        self.news.front().map(|&news| (news, self.told, self.count))
    }

    pub(super) const fn tell(&mut self, key: ConnectionKey) {
        self.told = Some(key);
        self.count += 1;
    }

    /// All were told.
    pub(super) fn finish(&mut self) {
        self.news.pop_front();
        self.restart();
    }

    const fn restart(&mut self) {
        self.told = None;
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_kept_once_and_the_last_word_comes_last() {
        let mut bulletin = Bulletin::default();
        for news in [News::Drain, News::Undrain, News::NextIp, News::Drain, News::Drain] {
            bulletin.add(news);
        }
        let mut seen = alloc::vec::Vec::new();
        while let Some((news, None, 0)) = bulletin.current() {
            seen.push(news);
            bulletin.finish();
        }
        assert_eq!(seen, [News::Undrain, News::NextIp, News::Drain]);
    }
}
