#pragma once

#include <memory>

namespace dwcp {

class StreamLink;

// The thread of this process on which all links send, receive, seal and verify. It begins with the first link and never ends.
class StreamThread {
 public:
  // Null where the system gives no thread or pipe.
  static StreamThread* Get();

  // Keeps the link until it is over.
  void Add(std::shared_ptr<StreamLink> link);
  void Wake();

 private:
  StreamThread() = default;
  bool Start();
  void Run();

  struct State;
  State* state_ = nullptr;
};

}  // namespace dwcp
