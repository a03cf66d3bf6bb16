// Package secrets looks after the cluster secrets that a running node holds, and leads the cluster from one secret to the next.
//
// Words. A node holds one secret, or two during a rotation; it speaks under the first and takes what is under any (trust.Ring). A
// rotation has three phases: all add the new secret as second, all put it first, all retire the old one. The leader of a rotation is
// the node that a command was given to; any node that follows it can lead on. The record is a file in the state directory: since when
// each secret is held, and which rotation the node follows; it holds no secret.
//
// Who owns what. Secrets may be used from any goroutine; Hear never blocks. Frames are sent from goroutines of this room.
//
// Always. A secret leaves the node inside a session only. The record is written before the secret file, the secret file before the
// ring changes: after a crash the node holds what its file says. No phase begins before all members that are not left out by name are
// in the one before.
package secrets
