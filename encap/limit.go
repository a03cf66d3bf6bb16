package encap

// limit is how much of a train goes in one message.
type limit struct{ frames, bytes int }

// oneFrame is the limit where the kernel cuts nothing. How long the frame may be, only the route knows.
var oneFrame = limit{frames: 1}
