//! Tries what is durable of a frontier on real folders and on a disk that fails.

mod history;
mod history_trouble;
mod log_chance;
mod log_damage;
mod log_kit;
mod log_life;
mod log_trouble;
mod mem_disk;
mod snapshots;
