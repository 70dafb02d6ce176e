#include "socket.h"

#ifdef __linux__

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <limits>

#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif

namespace dwcp {

const char* SocketProblem() { return ""; }

bool SetCongestionControl(int fd, const std::string& name) {
  return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0;
}

std::string GetCongestionControl(int fd) {
  char name[16] = {};
  socklen_t length = sizeof(name) - 1;
  return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) == 0 ? name : "";
}

bool SetMaxPacingRate(int fd, uint64_t bytes_per_second) {
  return setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &bytes_per_second, sizeof(bytes_per_second)) == 0;
}

bool SetNotSentLowWater(int fd, uint32_t bytes) {
  return setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes)) == 0;
}

bool ReadTcpInfo(int fd, std::array<double, kTcpInfoFields>& fields) {
  tcp_info info = {};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  // Linux 4.19 added the last field that we read: before it the figures would be zeros that nobody measured.
  if (length < offsetof(tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans)) return false;
  const double pacing = info.tcpi_pacing_rate == std::numeric_limits<__u64>::max() ? std::numeric_limits<double>::infinity()
                                                                                   : static_cast<double>(info.tcpi_pacing_rate);
  fields = {static_cast<double>(info.tcpi_rtt),
            static_cast<double>(info.tcpi_rttvar),
            static_cast<double>(info.tcpi_min_rtt),
            static_cast<double>(info.tcpi_snd_cwnd) * info.tcpi_snd_mss,
            static_cast<double>(info.tcpi_snd_mss),
            static_cast<double>(info.tcpi_delivery_rate),
            static_cast<double>(info.tcpi_delivery_rate_app_limited),
            static_cast<double>(info.tcpi_bytes_acked),
            static_cast<double>(info.tcpi_bytes_retrans),
            static_cast<double>(info.tcpi_bytes_sent),
            static_cast<double>(info.tcpi_lost),
            static_cast<double>(info.tcpi_total_retrans),
            pacing,
            static_cast<double>(info.tcpi_unacked),
            static_cast<double>(info.tcpi_notsent_bytes),
            static_cast<double>(info.tcpi_busy_time),
            static_cast<double>(info.tcpi_rwnd_limited),
            static_cast<double>(info.tcpi_sndbuf_limited),
            static_cast<double>(info.tcpi_delivered)};
  return true;
}

}  // namespace dwcp

#else

namespace dwcp {

const char* SocketProblem() { return "socket options by descriptor exist on Linux only"; }
bool SetCongestionControl(int, const std::string&) { return false; }
std::string GetCongestionControl(int) { return ""; }
bool SetMaxPacingRate(int, uint64_t) { return false; }
bool SetNotSentLowWater(int, uint32_t) { return false; }
bool ReadTcpInfo(int, std::array<double, kTcpInfoFields>&) { return false; }

}  // namespace dwcp

#endif
