//! Folders of migrations.
