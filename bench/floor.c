//go:build ignore

/*
 * The least that a knock daemon can be: one packet socket, a look at each
 * packet for one TCP port's SYN, and a shell. It keeps no state, so only the
 * last knock of a sequence matters to it. It is what a daemon is measured
 * against; never run it for anything else.
 *
 * usage: floor INTERFACE PORT COMMAND
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

extern char **environ;

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: floor INTERFACE PORT COMMAND\n");
		return 2;
	}
	int port = atoi(argv[2]), on = 1;
	char *sh[] = {"sh", "-c", argv[3], NULL};
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(argv[1]),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
		perror("packet socket");
		return 1;
	}
	signal(SIGCHLD, SIG_IGN); /* no child needs to be waited for */
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		unsigned char p[2048];
		ssize_t n = recv(fd, p, sizeof p, 0);
		if (n < 40 || p[0] >> 4 != 4 || p[9] != 6)
			continue;
		unsigned char *tcp = p + (p[0] & 15) * 4;
		if (tcp + 20 > p + n || (tcp[2] << 8 | tcp[3]) != port || !(tcp[13] & 2))
			continue;
		pid_t child;
		if (posix_spawn(&child, "/bin/sh", NULL, NULL, sh, environ) != 0)
			perror("posix_spawn");
	}
}
