package diff_test

// difference is something in which sesame is not like knockd.
type difference struct {
	id, what       string
	knockd, sesame string
	elsewhere      bool // no scenario shows it
}

// mends is what sesame mends.
var mends = []difference{
	{id: "1", what: "a packet that comes twice",
		knockd: "ends the attempt: a knock over a line on which SYNs are sent again does not open",
		sesame: "is ignored, unless it is the next knock as well"},
	{id: "2", what: "doors that are open",
		knockd: "a knock runs the start command again, and so makes a second rule; after a crash, or SIGTERM and SIGKILL from the supervisor, they stay open for good",
		sesame: "a knock makes the lease longer and runs nothing; they are shut at the end, or by the next start"},
	{id: "3", what: "what an open door costs", knockd: "a process that sleeps", sesame: "an entry in a table"},
	{id: "4", what: "time from the last knock to the command", elsewhere: true,
		knockd: "up to 50 ms, because packets are collected that long", sesame: "about a millisecond (see the README)"},
	{id: "5", what: "a flood of first knocks", elsewhere: true,
		knockd: "makes a list without bound longer, which is walked for each packet",
		sesame: "fills a table of fixed size, in which an attempt gives way only after 6,000 newer ones; a packet costs the same however full it is (see the README)"},
	{id: "6", what: "port scans",
		knockd: "open doors whose ports they happen to come by in the right order",
		sesame: "touch decoys, ports that no client touches: whoever does is ignored for a minute (see the README)"},
	{id: "7", what: "the end of the oldest attempt", knockd: "all other attempts are forgotten with it", sesame: "has nothing to do with the others"},
	{id: "8", what: "one address at two doors",
		knockd: "while an attempt is in flight, every knock on another door is a wrong one, and no other attempt begins",
		sesame: "each door looks at its own ports only"},
	{id: "9", what: "the end of an attempt's time", knockd: "is found out, and logged, with the next packet", sesame: "is logged when it comes"},
	{id: "10", what: "reload (SIGHUP)",
		knockd: "a file with a mistake ends the daemon; attempts in flight are forgotten",
		sesame: "mistakes are logged and the old file stays in force; attempts in flight go on"},
	{id: "11", what: "interfaces",
		knockd: "one that is removed ends the daemon with status 0; addresses that come later are not known; `-i any` hears nothing; one that is missing keeps it from starting",
		sesame: "what is missing or removed is waited for; addresses are followed; several interfaces, patterns and `any` can be named"},
	{id: "12", what: "IPv6", knockd: "on Ethernet only, and not behind extension headers", sesame: "on every link, with extension headers"},
	{id: "13", what: "one-time sequences",
		knockd: "crashes after the last; only the first works over IPv6; a line that is no sequence is marked in the place of the used one",
		sesame: "the door is shut after the last; all work over IPv6; the used line is marked"},
	{id: "14", what: "mistakes in the file and on the command line",
		knockd: "numbers are read as far as they go, and as 0 otherwise; an unknown option ends with status 0; `UseSyslog = yes` and a blank in tcpflags are refused",
		sesame: "refused with file, line, key and reason; an unknown option ends with status 1; the last two are taken"},
	{id: "15", what: "many doors", knockd: "take long to start: a thousand 12 s and more on the machine where this was written", sesame: "start at once"},
	{id: "16", what: "reasons for not starting", knockd: "do not say what to do", sesame: "name the right, file or interface that is missing"},
}

// others is what else is different.
var others = []difference{
	{id: "A", what: "the first knock in the middle of an attempt",
		knockd: "ends the attempt; it has to be sent once more to begin another", sesame: "ends the attempt and begins another"},
	{id: "B", what: "seq_timeout",
		knockd: "counts whole seconds of the clock, so it may be up to one shorter; 0 never opens",
		sesame: "runs from the first knock on; 0 is refused for more than one port"},
	{id: "C", what: "for whom a packet is",
		knockd: "the addresses of the interface count; with Target also packets that the machine sends itself",
		sesame: "all addresses of the machine count; packets that it sends itself never do"},
	{id: "D", what: "packets that are not whole, or cannot have come over a network", knockd: "count", sesame: "do not"},
	{id: "E", what: "commands",
		knockd: "an empty stop command is run; one that fails leaves the door open; a signal is logged as status 0; more than 4,095 characters are not run",
		sesame: "an empty one is not; one that fails is run again; the signal is logged; there is no such limit"},
	{id: "F", what: "what is logged",
		knockd: "lines are cut at 1,023 characters and names of doors at 127; some are followed by an empty line; what commands print is not in it; `-l` adds the name of the host to all",
		sesame: "lines are whole; none is empty; what commands print is in it, as are warnings and with `-D` packets; bytes that are no UTF-8 are replaced; `-l` adds the name of the host to openings alone, for a lookup at the first knock tells whoever runs its name server"},
	{id: "G", what: "command line and signals",
		knockd: "LogFile and PidFile win over `-g` and `-p`; SIGTERM and SIGINT end with status 15 and 2",
		sesame: "the command line wins, with a warning; the status is 0"},
	{id: "H", what: "what the file may hold",
		knockd: "seq_cooldown and a byte order mark are refused; a log file that cannot be opened is done without",
		sesame: "seq_cooldown and a byte order mark are taken; a log file that cannot be opened is refused"},
}
