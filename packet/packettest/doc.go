// Package packettest builds IP packets for tests, and checks packets by a slow reading of its own.
//
// Words are those of package packet. Build makes complete, valid packets; Partial makes their checksum partial, as a kernel
// with checksum offload hands it over; Segments cuts them, segment by segment made anew; Verify is the oracle. Nothing here
// shares code with package packet.
package packettest
