"""Time: optical flow, what it carries from frame to frame, and learning from and for steadiness."""
