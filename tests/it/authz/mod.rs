//! The authorization program against an oracle that was written straight from the rules, and every cell of every pack.

mod escalation;
mod estate;
mod explain;
mod matrix;
mod oracle;
mod program;
mod stack;
mod suggest;
mod violations;
mod world;
mod worlds;
