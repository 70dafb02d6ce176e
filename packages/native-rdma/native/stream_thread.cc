#include "stream_thread.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "stream_link.h"

namespace dwcp {

struct StreamThread::State {
  int pipe_read = -1;
  int pipe_write = -1;
  std::atomic<bool> is_woken{false};
  std::mutex mutex;
  std::vector<std::shared_ptr<StreamLink>> added;
};

StreamThread* StreamThread::Get() {
  static StreamThread* const thread = [] {
    auto* made = new StreamThread();
    return made->Start() ? made : nullptr;
  }();
  return thread;
}

bool StreamThread::Start() {
  int ends[2];
  if (pipe(ends) != 0) return false;
  for (const int end : ends) {
    fcntl(end, F_SETFL, O_NONBLOCK);
    fcntl(end, F_SETFD, FD_CLOEXEC);
  }
  state_ = new State();
  state_->pipe_read = ends[0];
  state_->pipe_write = ends[1];
  // Not std::thread, which throws where the system has none left.
  pthread_t thread;
  const auto run = [](void* self) -> void* {
    static_cast<StreamThread*>(self)->Run();
    return nullptr;
  };
  if (pthread_create(&thread, nullptr, run, this) != 0) return false;
  pthread_detach(thread);
  return true;
}

void StreamThread::Add(std::shared_ptr<StreamLink> link) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->added.push_back(std::move(link));
  }
  Wake();
}

void StreamThread::Wake() {
  if (state_->is_woken.exchange(true)) return;
  const char one = 1;
  // A full pipe wakes as well.
  [[maybe_unused]] const ssize_t written = write(state_->pipe_write, &one, 1);
}

void StreamThread::Run() {
  std::vector<std::shared_ptr<StreamLink>> links;
  std::vector<pollfd> polled;
  // As long as the process.
  for (;;) {
    {
      const std::lock_guard lock(state_->mutex);
      for (auto& link : state_->added) links.push_back(std::move(link));
      state_->added.clear();
    }
    polled.assign(1, {state_->pipe_read, POLLIN, 0});
    std::erase_if(links, [&](const std::shared_ptr<StreamLink>& link) {
      const auto wants = link->Wants();
      if (wants.fd < 0) return true;
      const int events = (wants.reads ? POLLIN : 0) | (wants.writes ? POLLOUT : 0);
      // Passed over where nothing is wanted: an error would be reported all the time.
      polled.push_back({events != 0 ? wants.fd : -1, static_cast<short>(events), 0});
      return false;
    });
    if (poll(polled.data(), polled.size(), -1) <= 0) continue;
    if (polled[0].revents != 0) {
      char drained[64];
      while (read(state_->pipe_read, drained, sizeof(drained)) > 0) continue;
      state_->is_woken = false;
    }
    for (size_t at = 0; at < links.size(); ++at) {
      const pollfd& one = polled[at + 1];
      if (one.revents == 0) continue;
      // What is wrong shows in reading and writing.
      const bool is_broken = (one.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
      links[at]->OnReady((one.revents & POLLIN) != 0 || is_broken, (one.revents & POLLOUT) != 0 || is_broken);
    }
  }
}

}  // namespace dwcp
