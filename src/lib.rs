//! stagepost: a Studio flow journey tracker with audience computation.

pub mod domain;
