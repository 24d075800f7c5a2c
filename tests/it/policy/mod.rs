//! The role packs against the running program, through the API: every cell, and the teams that use them.
