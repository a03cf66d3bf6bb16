// Package encap carries frames between nodes: their codec, the handshakes and sessions that seal them, the UDP socket
// they travel through and the TCP streams beside it.
//
// Words. A frame is one UDP payload of weft's own. A train is a run of frames to one endpoint that lie back to back,
// all of one size but the last; the kernel may take and give it in one piece (UDP GSO and GRO). A port is what a node
// listens at; it has a connection for each lane. A session is what two nodes agreed in a handshake; it has one current
// Keypair and, for a grace time, the ones before. A keypair is sealed when data frames are encrypted; control frames
// always are. The lane of a frame is its sender's. A stamp orders the initiations of one node for all time.
//
// Ownership. Session is an engine that one control goroutine owns; only Current may be called from elsewhere. A Keypair
// seals from any goroutine; it opens data from one goroutine for each sender's lane, and control from one. Datagrams are
// borrowed until the next Receive, trains during Send. UDPPort and the other socket types are the only edge to the
// operating system; time and randomness come in as arguments everywhere else.
//
// Always. A handshake completes only between the two nodes that its ends mean: the fingerprints, so both keys, of both are
// bound into it. No nonce is used twice under one key. A replay window moves only after authentication. In a sealed
// session no clear data frame is made or accepted. Decoders never panic and never read past the end; every frame of a
// stranger costs one MAC and nothing more.
package encap
