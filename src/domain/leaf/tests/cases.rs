//! Small histories with their values, as they are stored.
