//! `twitter`: much text in nested records, some of it escaped, some beyond ASCII.

use serde::{Deserialize, Serialize};

use super::Value;
use super::random::Random;
use super::text::sentence;

const STATUSES: u32 = 100;

/// An answer to a search, as a program has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was found.
    pub statuses: Vec<Status>,
    /// How.
    pub search_metadata: Metadata,
}

/// How it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Metadata {
    pub max_id: i64,
    pub query: String,
    pub count: u32,
    pub next_results: Option<String>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Status {
    pub created_at: String,
    pub id: i64,
    pub id_str: String,
    pub text: String,
    pub source: String,
    pub truncated: bool,
    pub in_reply_to_status_id: Option<i64>,
    pub in_reply_to_user_id: Option<u32>,
    pub user: User,
    pub geo: Option<String>,
    pub retweeted_status: Option<Box<Self>>,
    pub retweet_count: u32,
    pub favorite_count: u32,
    pub entities: Entities,
    pub favorited: bool,
    pub retweeted: bool,
    pub lang: String,
}

/// Who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct User {
    pub id: u32,
    pub id_str: String,
    pub name: String,
    pub screen_name: String,
    pub location: String,
    pub description: String,
    pub url: Option<String>,
    pub protected: bool,
    pub followers_count: u32,
    pub friends_count: u32,
    pub listed_count: u32,
    pub created_at: String,
    pub favourites_count: u32,
    pub utc_offset: Option<i64>,
    pub time_zone: Option<String>,
    pub geo_enabled: bool,
    pub verified: bool,
    pub statuses_count: u32,
    pub lang: String,
    pub profile_background_color: String,
    pub profile_background_image_url: String,
    pub profile_image_url: String,
    pub profile_link_color: String,
    pub default_profile: bool,
    pub following: bool,
}

/// What the text mentions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Entities {
    pub hashtags: Vec<Hashtag>,
    pub symbols: Vec<String>,
    pub urls: Vec<String>,
    pub user_mentions: Vec<Mention>,
}

/// A word to search for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Hashtag {
    pub text: String,
    pub indices: (u32, u32),
}

/// Somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Mention {
    pub screen_name: String,
    pub name: String,
    pub id: u32,
    pub indices: (u32, u32),
}

/// The answer as Rust values.
#[must_use]
pub fn typed() -> Answer {
    let mut random = Random::new(2003);
    let statuses = (0..STATUSES).map(|_| status(&mut random, true)).collect();
    let search_metadata = Metadata {
        max_id: 505_874_924_095_815_681,
        query: "%E4%B8%80".into(),
        count: STATUSES,
        next_results: Some(
            "?max_id=505874847260352512&q=%E4%B8%80&count=100&include_entities=1".into(),
        ),
    };
    Answer { statuses, search_metadata }
}

fn date(random: &mut Random) -> String {
    format!(
        "Sun Aug {:02} {:02}:{:02}:{:02} +0000 2014",
        random.below(30) + 1,
        random.below(24),
        random.below(60),
        random.below(60)
    )
}

fn status(random: &mut Random, may_retweet: bool) -> Status {
    let id = 505_874_000_000_000_000 + i64::from(random.below(u32::MAX));
    let is_retweet = may_retweet && random.chance(70);
    let words = 8 + random.below(14);
    Status {
        created_at: date(random),
        id,
        id_str: id.to_string(),
        text: sentence(random, words, 35, 6),
        source:
            "<a href=\"https://mobile.example/download/iphone\" rel=\"nofollow\">for iPhone</a>"
                .into(),
        truncated: false,
        in_reply_to_status_id: random.chance(10).then_some(id - 1),
        in_reply_to_user_id: random.chance(10).then(|| random.below(u32::MAX)),
        user: user(random),
        geo: None,
        retweeted_status: is_retweet.then(|| Box::new(status(random, false))),
        retweet_count: random.below(1000),
        favorite_count: random.below(100),
        entities: entities(random),
        favorited: random.chance(5),
        retweeted: is_retweet,
        lang: if random.chance(80) { "ja" } else { "en" }.into(),
    }
}

fn user(random: &mut Random) -> User {
    let id = random.below(u32::MAX);
    let words = random.below(18);
    User {
        id,
        id_str: id.to_string(),
        name: sentence(random, 2, 40, 0),
        screen_name: format!("user_{}", id % 10_000),
        location: sentence(random, 1, 50, 0),
        description: sentence(random, words, 40, 4),
        url: random.chance(30).then(|| format!("http://site.example/{id:x}")),
        protected: false,
        followers_count: random.below(5000),
        friends_count: random.below(2000),
        listed_count: random.below(50),
        created_at: date(random),
        favourites_count: random.below(3000),
        utc_offset: random.chance(40).then_some(32_400),
        time_zone: random.chance(40).then(|| "Irkutsk".into()),
        geo_enabled: random.chance(30),
        verified: random.chance(3),
        statuses_count: random.below(90_000),
        lang: "ja".into(),
        profile_background_color: "C0DEED".into(),
        profile_background_image_url: "http://img.example/images/themes/theme1/bg.png".into(),
        profile_image_url: format!("http://img.example/profile_images/{id}/picture_normal.jpeg"),
        profile_link_color: "0084B4".into(),
        default_profile: random.chance(60),
        following: false,
    }
}

fn entities(random: &mut Random) -> Entities {
    let hashtags = 0..random.below(3);
    let urls = 0..random.below(2);
    let mentions = 0..random.below(3);
    let indices = |random: &mut Random| {
        let start = random.below(100);
        (start, start + 10)
    };
    Entities {
        hashtags: hashtags
            .map(|_| Hashtag { text: sentence(random, 1, 60, 0), indices: indices(random) })
            .collect(),
        symbols: Vec::new(),
        urls: urls.map(|_| format!("http://t.example/{:x}", random.below(u32::MAX))).collect(),
        user_mentions: mentions
            .map(|_| {
                let id = random.below(u32::MAX);
                Mention {
                    screen_name: format!("user_{}", id % 10_000),
                    name: sentence(random, 2, 40, 0),
                    id,
                    indices: indices(random),
                }
            })
            .collect(),
    }
}

pub(super) fn document() -> Value {
    let Answer { statuses, search_metadata: metadata } = typed();
    let metadata = Value::record([
        ("max_id", metadata.max_id.into()),
        ("query", metadata.query.into()),
        ("count", metadata.count.into()),
        ("next_results", metadata.next_results.into()),
    ]);
    Value::record([
        ("statuses", Value::list(statuses.into_iter().map(Value::from))),
        ("search_metadata", metadata),
    ])
}

impl From<Status> for Value {
    fn from(status: Status) -> Self {
        Self::record([
            ("created_at", status.created_at.into()),
            ("id", status.id.into()),
            ("id_str", status.id_str.into()),
            ("text", status.text.into()),
            ("source", status.source.into()),
            ("truncated", status.truncated.into()),
            ("in_reply_to_status_id", status.in_reply_to_status_id.into()),
            ("in_reply_to_user_id", status.in_reply_to_user_id.into()),
            ("user", status.user.into()),
            ("geo", status.geo.into()),
            ("retweeted_status", status.retweeted_status.map(|status| *status).into()),
            ("retweet_count", status.retweet_count.into()),
            ("favorite_count", status.favorite_count.into()),
            ("entities", status.entities.into()),
            ("favorited", status.favorited.into()),
            ("retweeted", status.retweeted.into()),
            ("lang", status.lang.into()),
        ])
    }
}

impl From<User> for Value {
    fn from(user: User) -> Self {
        Self::record([
            ("id", user.id.into()),
            ("id_str", user.id_str.into()),
            ("name", user.name.into()),
            ("screen_name", user.screen_name.into()),
            ("location", user.location.into()),
            ("description", user.description.into()),
            ("url", user.url.into()),
            ("protected", user.protected.into()),
            ("followers_count", user.followers_count.into()),
            ("friends_count", user.friends_count.into()),
            ("listed_count", user.listed_count.into()),
            ("created_at", user.created_at.into()),
            ("favourites_count", user.favourites_count.into()),
            ("utc_offset", user.utc_offset.into()),
            ("time_zone", user.time_zone.into()),
            ("geo_enabled", user.geo_enabled.into()),
            ("verified", user.verified.into()),
            ("statuses_count", user.statuses_count.into()),
            ("lang", user.lang.into()),
            ("profile_background_color", user.profile_background_color.into()),
            ("profile_background_image_url", user.profile_background_image_url.into()),
            ("profile_image_url", user.profile_image_url.into()),
            ("profile_link_color", user.profile_link_color.into()),
            ("default_profile", user.default_profile.into()),
            ("following", user.following.into()),
        ])
    }
}

impl From<Entities> for Value {
    fn from(entities: Entities) -> Self {
        let indices = |(start, end): (u32, u32)| Self::tuple([start.into(), end.into()]);
        let hashtag = |hashtag: Hashtag| {
            Self::record([("text", hashtag.text.into()), ("indices", indices(hashtag.indices))])
        };
        let mention = |mention: Mention| {
            Self::record([
                ("screen_name", mention.screen_name.into()),
                ("name", mention.name.into()),
                ("id", mention.id.into()),
                ("indices", indices(mention.indices)),
            ])
        };
        Self::record([
            ("hashtags", Self::list(entities.hashtags.into_iter().map(hashtag))),
            ("symbols", Self::list(entities.symbols.into_iter().map(Self::from))),
            ("urls", Self::list(entities.urls.into_iter().map(Self::from))),
            ("user_mentions", Self::list(entities.user_mentions.into_iter().map(mention))),
        ])
    }
}
