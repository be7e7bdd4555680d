//! Keeps cookies as a browser does (RFC 6265bis), so that a crawl stays logged in without telling one site's secrets to another.
//!
//! `date` and `parse` read what a server sent, `cookie` judges whether it may set that, `matching` says where a cookie
//! belongs, and `jar` keeps the cookies of a crawl within bounds. Off unless the operator asks for it.
//!
//! `SameSite` is read by nobody here, on purpose. It tells a browser to hold a cookie back from requests that another
//! site's page caused. A crawler shows no page that could cause one: each of its requests is a top-level `GET` of its
//! own, which every value of `SameSite` lets pass, and a request with content is only ever the operator's.

mod cookie;
mod date;
mod jar;
mod matching;
mod parse;

pub use jar::{CookieJar, Stored};
