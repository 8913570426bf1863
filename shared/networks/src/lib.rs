//! Networks as data and what can be decided about them without computing: which edges exist and how they move, scores, schedules,
//! first weights, costs, statistics of whole networks. Knows no engine and no files.

pub mod init;
pub mod model;
pub mod schedule;
pub mod score;
pub mod statistics;
pub mod table;
pub mod threshold;
pub mod topology;
