// Package packettest builds IP packets for tests, and checks packets by a slow reading of its own.
//
// Words are those of package packet. Build makes complete, valid packets; Partial makes their checksum partial, as a kernel
// with checksum offload hands it over; Verify is the oracle: it shares no code with package packet.
package packettest
