#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dwcp {

// Empty where the operating system has what is asked for here.
const char* SocketProblem();

bool SetCongestionControl(int fd, const std::string& name);
// Empty when the kernel does not say.
std::string GetCongestionControl(int fd);
// UINT64_MAX removes the limit.
bool SetMaxPacingRate(int fd, uint64_t bytes_per_second);
bool SetNotSentLowWater(int fd, uint32_t bytes);

// In the order in which src/socket.ts names them; times in microseconds.
constexpr size_t kTcpInfoFields = 19;
bool ReadTcpInfo(int fd, std::array<double, kTcpInfoFields>& fields);

}  // namespace dwcp
