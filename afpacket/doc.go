// Package afpacket is the way from the wire to a packet value: a classic BPF
// filter made from ports (Filter), a parser (Parse), the packet socket that
// feeds it (Socket) and the machine's links and addresses (Network).
//
// The socket is SOCK_DGRAM, so packets begin with their IP header on every kind
// of link, and bound to ETH_P_ALL: a socket bound to a device for ETH_P_IP
// runs behind the IP stack's own handler, and the kernel then copies every
// packet that it forwards.
//
// Packets are read with recvmmsg(2) and not from a mapped TPACKET_V2 ring
// (BenchmarkReader measures both, over a veth pair, on two cores). A single
// packet takes as long: 28 µs in the median, 29 to 32 µs with the ring. In a
// flood of 350,000 packets a second the ring costs less, 1.0 µs of processor
// time a packet instead of 1.4, but its 1 MiB is the daemon's memory from the
// start, and its layout depends on kernel and word size. A knock is a single
// packet, and routers are short of memory first.
package afpacket
